"""What commands show: lines, tables, JSON and progress."""

from typing import TYPE_CHECKING

from scp.cli.output import rows
from scp.cli.output.printing import answer, ask, plain_value, say, say_json, say_page
from scp.cli.output.progress import FileProgress, Shown, size
from scp.cli.output.showing import shown
from scp.cli.output.tables import cell, moment, show

if TYPE_CHECKING:  # they need the archive and rich, which few commands use
    from scp.cli.output import forwarding, imported

__all__ = [
    "FileProgress",
    "Shown",
    "answer",
    "ask",
    "cell",
    "forwarding",
    "imported",
    "moment",
    "plain_value",
    "rows",
    "say",
    "say_json",
    "say_page",
    "show",
    "shown",
    "size",
]
