"""What commands show: lines, tables, JSON and progress."""

from scp.cli.output import forwarding, rows
from scp.cli.output.printing import ask, plain_value, say, say_json, say_page
from scp.cli.output.progress import FileProgress, Shown, shown, size
from scp.cli.output.tables import cell, show

__all__ = [
    "FileProgress",
    "Shown",
    "ask",
    "cell",
    "forwarding",
    "plain_value",
    "rows",
    "say",
    "say_json",
    "say_page",
    "show",
    "shown",
    "size",
]
