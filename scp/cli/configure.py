"""The commands that make a configuration, and tell what is in force."""

import os
from typing import Annotated, Any

import typer

from scp.cli.options import DEFAULT_CONFIG, AsJson, Commands, ConfigPath, failure, load
from scp.cli.output import say
from scp.config import ConfigError

app = Commands()


@app.command()
def init(
    ae_title: Annotated[str, typer.Option(help="The node's AE title.")] = "",
    host: Annotated[str, typer.Option(help="Where it listens.")] = "",
    port: Annotated[int, typer.Option(help="On which port.", show_default=False)] = -1,
    data: Annotated[str, typer.Option("--path", help="Where it keeps what it receives.")] = "",
    any_peer: Annotated[bool | None, typer.Option(help="Whether anyone may call.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write a commented config.toml, after a few questions."""
    from scp.cli.commands import set_up

    os.umask(os.umask(0o022) | 0o022)  # what says how the node runs, others do not write

    def ask(words: str, given: Any, default: Any) -> Any:
        if given not in ("", -1, None):
            return given
        if yes:
            return default
        kind = typer.confirm if isinstance(default, bool) else typer.prompt
        return kind(words, default=default)

    try:
        chosen = {
            ("node", "ae_title"): ask("AE title of the node", ae_title, "MINIPACS"),
            ("node", "host"): ask("Address to listen on", host, "127.0.0.1"),
            ("node", "port"): int(ask("Port", port, 11112)),
            ("storage", "path"): ask("Folder for what is received", data, "data"),
            ("access", "any_peer"): ask("May anyone call (else only [peers])", any_peer, True),
        }
        for warning in set_up.write(path, chosen, force):
            say(f"warning: {warning}", err=True)
    except typer.Abort:
        raise failure("nothing written") from None
    except (ConfigError, ValueError) as error:
        raise failure(str(error)) from None
    say(f"{path} written; `minipacs serve -c {path}` runs the node")


@app.command()
def config(path: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print what is in force, and where each value comes from."""
    settings = load(path)
    from scp.cli.commands import set_up

    set_up.tell(settings, as_json)
