"""`minipacs pin` and `unpin`: the studies that no rule takes."""

from collections.abc import Sequence

from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell
from storage.diagnostics import FolderError
from storage.journal import pins
from storage.maintenance.changes import Selection, deletion


def pin(settings: Settings, studies: Sequence[Selection]) -> None:
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


def unpin(settings: Settings, studies: Sequence[Selection]) -> None:
    """Take the pin from studies. Raises ArchiveError, before any is, where one has none."""
    with opened(settings) as archive:
        pinned = pins.pinned(archive.journal)
        without = ", ".join(one.uid for one in studies if one.uid not in pinned)
        if without:
            raise FolderError(
                f"--study {without}: is not pinned; `minipacs pin` lists those that are"
            )
        for one in studies:
            pins.unpin(archive.journal, one.uid)
            tell(settings, "unpin", studies=[one.uid])
            say(f"study {one.uid} unpinned")


def show(settings: Settings) -> None:
    """List the studies that are pinned, and since when. Raises ArchiveError."""
    with opened(settings) as archive:
        found = pins.pinned(archive.journal)
        for study, at in found.items():
            say(f"study {study} pinned since={at}")
        say(f"pinned studies={len(found)}")
