"""`minipacs forward`: what goes on to other nodes by [[forward]]."""

from typing import Annotated

import typer

from scp.cli.options import DEFAULT_CONFIG, AsJson, Commands, ConfigPath, begin, failure
from scp.cli.output import say

app = Commands()


@app.command()
def forward(
    title: Annotated[
        str, typer.Argument(metavar="[AET]", help="One destination; left out: all.")
    ] = "",
    again: Annotated[bool, typer.Option("--retry", help="Send again what has failed.")] = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Show what goes on to other nodes, and what failed and why; exit code 1 with any."""
    settings = begin(path)
    from scp.cli.commands import forward as telling
    from storage.diagnostics import ArchiveError

    try:
        if title and title not in telling.standings(settings):
            known = f"{settings.source}: no [[forward]] names it"
            raise failure(f"{title}: nothing goes there; {known}")
        if again:
            say(f"sent again instances={telling.retry(settings, title)}")
            return
        whole = telling.tell(settings, title, as_json)
    except ArchiveError as error:
        raise failure(str(error)) from None
    raise typer.Exit(0 if whole else 1)
