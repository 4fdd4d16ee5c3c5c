"""`minipacs forward`: what goes on to other nodes by [[forward]]."""

from collections.abc import Collection
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
        names = _named(settings, title)
        if title and not names:
            known = f"{settings.source}: no [[forward]], notify or fhir names it"
            raise failure(f"{title}: nothing goes there; {known}")
        if again:
            actor = Actor.of_command(settings)
            count = sum(retry(actor, name) for name in names or [""])
            if as_json:
                say_json({"retried": count})
            else:
                say(f"sent again instances={count}")
            return
        whole = tell(settings, names, as_json)
    except ArchiveError as error:
        raise failure(str(error)) from None
    raise typer.Exit(0 if whole else 1)


def _named(settings: Settings, title: str) -> list[str]:
    """What the queue has of an AE title, which is none, or notices to it too; without one, none.

    Raises ResourceError.
    """
    notices = settings.notices
    known = forwarding.standings(settings) if title else ()
    return [one for one in known if title in (one, notices.get(one, ("",))[0])]


def failed(settings: Settings, names: Collection[str] = ()) -> list[Failed]:
    """What is sent no more by itself, to some destinations or to all. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        found = overview.failed(outbox) if outbox else []
    return [one for one in found if not names or one.destination in names]


def tell(settings: Settings, names: Collection[str], in_json: bool) -> bool:
    """Print how far each destination is and what has failed; whether nothing has."""
    told = forwarding.standings(settings)
    found = {to: one for to, one in told.items() if not names or to in names}
    lost = failed(settings, names)
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
        instance = f", instance {one_lost.uids[2]}" if one_lost.uids[2] else ""
        say(f"{one_lost.destination}: study {one_lost.uids[0]}{instance}: "
                   f"{one_lost.words} (attempts={one_lost.attempts})")  # fmt: skip
    return not lost
