"""A change of many instances, told to the audit trail as far as it came."""

from collections.abc import Iterable

from scp.cli.output import Shown
from scp.config import Settings
from scp.runtime import MANY, tell
from storage.diagnostics import ArchiveError
from storage.dicom.values import Uids


def each(settings: Settings, event: str, uids: Iterable[Uids], progress: Shown) -> int:
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
