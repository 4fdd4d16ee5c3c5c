"""Tables that commands print, with texts of peers in their cells."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

from scp.cli.output.printing import be_lenient
from storage.diagnostics import escaped

if TYPE_CHECKING:  # loaded where there is a table to be shown
    from rich.table import Table
    from rich.text import Text


# Of what is no terminal: nothing is folded for it, or cut.
_UNBOUNDED = 100_000


def show(table: "Table") -> None:
    """Print a table, on a terminal no wider than that; what is in it of others is in a `cell`."""
    from rich.console import Console

    be_lenient()
    width = None if sys.stdout.isatty() else _UNBOUNDED
    Console(highlight=False, width=width).print(table)


def moment(at: str) -> str:
    """A time of ISO 8601, as it is here, to the minute and with its zone; empty: none."""
    return datetime.fromisoformat(at).astimezone().isoformat(" ", "minutes") if at else ""


def cell(text: str) -> "Text":
    """A text as it is: of a plain one rich would take `[red]` as markup."""
    from rich.text import Text

    return Text(escaped(text))
