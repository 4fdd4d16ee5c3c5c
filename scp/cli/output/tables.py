"""Tables that commands print, with texts of peers in their cells."""

from typing import TYPE_CHECKING

from scp.cli.output.printing import be_lenient
from storage.diagnostics import escaped

if TYPE_CHECKING:  # loaded where there is a table to be shown
    from rich.table import Table
    from rich.text import Text


def show(table: "Table", soft_wrap: bool = False) -> None:
    """Print a table; what is in it of others is in a `cell` each."""
    from rich.console import Console

    be_lenient()
    Console(highlight=False).print(table, soft_wrap=soft_wrap)


def cell(text: str) -> "Text":
    """A text as it is: of a plain one rich would take `[red]` as markup."""
    from rich.text import Text

    return Text(escaped(text))
