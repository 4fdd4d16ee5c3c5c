"""`minipacs peers remove`: a peer taken out of the configuration, which else stays as it is."""

from typing import Annotated

import typer

from scp.cli.commands.node.peers_add import TAKEN
from scp.cli.options import DEFAULT_CONFIG, Commands, ConfigPath, failure
from scp.cli.output import say
from scp.config import ConfigError, editing

app = Commands()


@app.command()
def remove(
    title: Annotated[str, typer.Argument(metavar="AET", help="Its AE title.")],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Remove a peer from the configuration, whose comments and order stay."""
    try:
        removed = editing.remove_table(path, "peers", title)
    except ConfigError as error:
        raise failure(str(error)) from None
    had = [f"  {line}" for line in removed.splitlines()]
    say(f"{path}: peer {title.strip(' ')} removed{'; it had:' if had else ''}", *had, TAKEN)
