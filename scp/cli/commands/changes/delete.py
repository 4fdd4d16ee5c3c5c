"""`minipacs delete`, `restore` and `purge`: what leaves the archive, and comes back."""

import re
from collections.abc import Callable, Iterable, Sequence

from scp.cli.options import selection
from scp.cli.output import Shown, say, shown, size
from scp.config import Settings
from scp.node import changing, opened
from scp.runtime import MANY, tell
from storage.diagnostics import ArchiveError
from storage.dicom.values import Uids
from storage.files import Kept
from storage.maintenance.changes import Selection, deletion

_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+)([hdw])")

# Asks a person whether to go on.
Ask = Callable[[str], bool]


def seconds(text: str) -> float:
    """A duration such as 30d, in seconds. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError(f'takes a number of hours, days or weeks such as "30d", not "{text}"')
    return int(found[1]) * _SECONDS[found[2]]


def delete(settings: Settings, selections: Sequence[Selection], ask: Ask) -> bool:
    """Move what is selected to superseded/, or nothing where some of it is not held.

    Whether it was done. Raises ArchiveError.
    """
    with changing(settings) as archive:
        instances, absent = selection.held(archive, selections)
        if absent:
            selection.tell_absent(absent)
            if instances:
                say("nothing deleted")
            return False
        held = size(sum(one.file_bytes for one in instances))
        studies = len({one.uids[0] for one in instances})
        named = selection.words(selections)
        text = f"{named}: studies={studies}, instances={len(instances)}, {held}"
        if not ask(f"{text}. Delete?"):
            say("nothing deleted")
            return False
        with shown("delete") as progress:
            progress.begin("deleting", len(instances), "files")
            done = _each(settings, "delete", deletion.delete(archive, instances), progress)
        say(f"deleted instances={done}: `minipacs restore` brings them back")
        return True


def restore(settings: Settings, selections: Sequence[Selection]) -> bool:
    """Bring back what is selected; whether there was some of each. Raises ArchiveError."""
    charset = settings.storage.charset
    with changing(settings) as archive:
        files: dict[Uids, Kept] = {}
        whole = True
        for one in selections:
            found = {kept.uids: kept for kept in deletion.restorable(archive, one, charset)}
            files |= found
            if not found:
                say(f"{one}: nothing in superseded/ that is not held")
                whole = False
        if not files:
            return False
        with shown("restore") as progress:
            progress.begin("restoring", len(files), "files")
            restored = deletion.restore(archive, list(files.values()), charset)
            done = _each(settings, "restore", restored, progress)
        say(f"restored instances={done}")
        return whole


def purge(settings: Settings, age: float, dry_run: bool, ask: Ask) -> None:
    """Delete for good what has been in superseded/ for `age` seconds. Raises ArchiveError."""
    with opened(settings) as archive:
        files = list(deletion.older(deletion.kept(archive), age))
        text = f"superseded/: files={len(files)}, {size(sum(one.bytes for one in files))}"
        if dry_run or not files:
            say(f"{text} to be purged")
            return
        if not ask(f"{text}. Delete for good?"):
            say("nothing purged")
            return
        with shown("purge") as progress:
            progress.begin("purging", len(files), "files")
            purged = (one.uids for one in deletion.purge(files, archive))
            done = _each(settings, "purge", purged, progress)
        say(f"purged files={done}")


def _each(settings: Settings, event: str, uids: Iterable[Uids], progress: Shown) -> int:
    """Do it, one by one, and tell the audit trail of what was done, however it ends."""
    done, studies, outcome = 0, dict[str, None](), "done"
    try:
        for one in uids:
            done += 1
            progress.advance(1)
            if len(studies) < MANY:
                studies[one[0]] = None
    except (ArchiveError, KeyboardInterrupt) as error:
        outcome = str(error) or "interrupted"
        raise
    finally:
        tell(settings, event, instances=done, studies=list(studies), outcome=outcome)
    return done
