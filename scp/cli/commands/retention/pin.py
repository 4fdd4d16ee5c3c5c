"""`minipacs pin`: the studies that no rule takes."""

from collections import Counter
from collections.abc import Sequence

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    selected,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, say_json
from scp.config import Settings
from scp.node import opened
from scp.node.acts.actor import Actor
from scp.node.acts.pinning import pin as pin_study
from storage.diagnostics import FolderError
from storage.journal import pins
from storage.maintenance.changes import Named, all_held, in_words

app = Commands()


@app.command()
@takes(named=selected)
def pin(
    named: "Sequence[Named]", as_json: AsJson = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Have studies stay, whatever [retention] says; without one, list those that are pinned."""
    if named and as_json:
        raise failure("--json: tells what is pinned, and takes nothing to pin beside it")
    settings = settings_as_owner(path)
    with refusals_shown():
        if named:
            run(settings, named)
        else:
            show(settings, as_json)


def run(settings: Settings, named: Sequence[Named]) -> None:
    """Pin studies. Raises ArchiveError, before any is pinned, where one is not held."""
    actor = Actor.of_command(settings)
    with opened(settings) as archive:
        locations, absent = all_held(archive, named, settings.storage.charset)
        if absent:
            raise FolderError(f"{in_words(absent)}: nothing is held")
        held = Counter(one.uids[0] for one in locations)
        pinned = pins.pinned(archive.journal)
        for study, instances in held.items():
            if study in pinned:
                say(f"study {study} is pinned already")
                continue
            pin_study(actor, archive, study, instances)
            say(f"study {study} pinned, instances={instances}")


def show(settings: Settings, as_json: bool) -> None:
    """List the studies that are pinned, and since when. Raises ArchiveError."""
    with opened(settings) as archive:
        found = dict(pins.pinned(archive.journal))
    if as_json:
        say_json([{"study": study, "since": at} for study, at in found.items()])
        return
    for study, at in found.items():
        say(f"study {study} pinned since={at}")
    say(f"pinned studies={len(found)}")
