"""`minipacs forward`: what goes on to other nodes by [[forward]]."""

from dataclasses import asdict
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    settings_as_owner,
)
from scp.cli.output import forwarding, say, say_json
from scp.config import Settings
from scp.node.acts.actor import Actor
from scp.node.acts.forwarding import retry
from storage.diagnostics import ArchiveError
from storage.outbox import Failed, opened, overview

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
    settings = settings_as_owner(path)
    try:
        if title and title not in forwarding.standings(settings):
            known = f"{settings.source}: no [[forward]] names it"
            raise failure(f"{title}: nothing goes there; {known}")
        if again:
            count = retry(Actor.of_command(settings), title)
            if as_json:
                say_json({"retried": count})
            else:
                say(f"sent again instances={count}")
            return
        whole = tell(settings, title, as_json)
    except ArchiveError as error:
        raise failure(str(error)) from None
    raise typer.Exit(0 if whole else 1)


def failed(settings: Settings, title: str) -> list[Failed]:
    """What is sent no more by itself, to one destination or to all. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        return overview.failed(outbox, title) if outbox else []


def tell(settings: Settings, title: str, in_json: bool) -> bool:
    """Print how far each destination is and what has failed; whether nothing has."""
    found = {to: one for to, one in forwarding.standings(settings).items() if title in ("", to)}
    lost = failed(settings, title)
    if in_json:
        document = {
            "forwarding": forwarding.as_json(found),
            "failed": [asdict(one) for one in lost],
        }
        say_json(document)
        return not lost
    for to, one in found.items():
        say(f"{to}: waiting={one.waiting}, failed={one.failed}, sent={one.sent}, "
                   f"committed={one.committed}")  # fmt: skip
        if one.last_error:
            say(f"  {forwarding.last_error(one)}")
    for one_lost in lost:
        say(f"{one_lost.destination}: study {one_lost.uids[0]}, instance {one_lost.uids[2]}: "
                   f"{one_lost.words} (attempts={one_lost.attempts})")  # fmt: skip
    return not lost
