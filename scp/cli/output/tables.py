"""Tables that commands print, with texts of peers in their cells."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scp.cli.output.printing import be_lenient
from storage.diagnostics import escaped


def show(table: Table, soft_wrap: bool = False) -> None:
    """Print a table; what is in it of others is in a `cell` each."""
    be_lenient()
    Console(highlight=False).print(table, soft_wrap=soft_wrap)


def cell(text: str) -> Text:
    """A text as it is: of a plain one rich would take `[red]` as markup."""
    return Text(escaped(text))
