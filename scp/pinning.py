"""`minipacs pin` and `unpin`: the studies that no rule takes."""

from scp.audit import tell
from scp.check import opened
from scp.printing import say
from scp.settings import Settings
from storage import Level, pins, retiring
from storage.errors import FolderError
from storage.retiring import Selection


def pin(settings: Settings, study: str) -> None:
    """Pin a study. Raises ArchiveError, also where it is not held."""
    with opened(settings) as archive:
        held = len(retiring.selected(archive, Selection(Level.STUDY, study)))
        if not held:
            raise FolderError(f"--study {study}: nothing is held; takes the UID of a study that is")
        if study in pins.pinned(archive.journal):
            say(f"study {study} is pinned already")
            return
        pins.pin(archive.journal, study)
        tell(settings, "pin", studies=[study], instances=held)
        say(f"study {study} pinned, instances={held}")


def unpin(settings: Settings, study: str) -> None:
    """Take the pin from a study. Raises ArchiveError, also where it has none."""
    with opened(settings) as archive:
        if study not in pins.pinned(archive.journal):
            raise FolderError(
                f"--study {study}: is not pinned; `minipacs pin` lists those that are"
            )
        pins.unpin(archive.journal, study)
        tell(settings, "unpin", studies=[study])
        say(f"study {study} unpinned")


def show(settings: Settings) -> None:
    """List the studies that are pinned, and since when. Raises ArchiveError."""
    with opened(settings) as archive:
        found = pins.pinned(archive.journal)
        for study, at in found.items():
            say(f"study {study} pinned since={at}")
        say(f"pinned studies={len(found)}")
