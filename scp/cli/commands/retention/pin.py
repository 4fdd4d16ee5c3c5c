"""`minipacs pin`: the studies that no rule takes."""

from collections.abc import Sequence

from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    refusals_shown,
    selected_studies,
    settings_as_owner,
    takes,
)
from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell
from storage.diagnostics import FolderError
from storage.journal import pins
from storage.maintenance.changes import Selection, deletion

app = Commands()


@app.command()
@takes(studies=selected_studies)
def pin(studies: "Sequence[Selection]", path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Have studies stay, whatever [retention] says; without one, list those that are pinned."""
    settings = settings_as_owner(path)
    with refusals_shown():
        if studies:
            run(settings, studies)
        else:
            show(settings)


def run(settings: Settings, studies: Sequence[Selection]) -> None:
    """Pin studies. Raises ArchiveError, before any is pinned, where one is not held."""
    with opened(settings) as archive:
        held = {one.uid: len(deletion.selected(archive, one)) for one in studies}
        absent = ", ".join(study for study, instances in held.items() if not instances)
        if absent:
            raise FolderError(
                f"--study {absent}: nothing is held; takes the UID of a study that is"
            )
        pinned = pins.pinned(archive.journal)
        for study, instances in held.items():
            if study in pinned:
                say(f"study {study} is pinned already")
                continue
            pins.pin(archive.journal, study)
            tell(settings, "pin", studies=[study], instances=instances)
            say(f"study {study} pinned, instances={instances}")


def show(settings: Settings) -> None:
    """List the studies that are pinned, and since when. Raises ArchiveError."""
    with opened(settings) as archive:
        found = pins.pinned(archive.journal)
        for study, at in found.items():
            say(f"study {study} pinned since={at}")
        say(f"pinned studies={len(found)}")
