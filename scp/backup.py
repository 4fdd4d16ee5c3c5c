"""`minipacs backup`: a copy that is whole, made while the node serves."""

import time
from pathlib import Path

from scp.audit import tell
from scp.opening import opened
from scp.printing import say
from scp.progress import shown, size
from scp.settings import Settings
from storage.backup import back_up
from storage.statistics import held_bytes


def run(settings: Settings, to: Path) -> bool:
    """Back up, and show what is done; whether all that was copied is as it was received.

    Raises ArchiveError.
    """
    started = time.monotonic()
    with opened(settings) as archive, shown("backup") as progress:
        progress.begin("copying", held_bytes(archive))
        done = back_up(archive, to, progress.advance)
        for fault in done.faults:
            progress.say(fault)
    seconds = time.monotonic() - started
    counts = {"copied": done.copied, "unchanged": done.unchanged, "removed": done.removed,
              "faults": len(done.faults)}  # fmt: skip
    tell(settings, "backup", to=str(to), bytes=done.bytes, **counts, seconds=round(seconds, 3))
    words = ", ".join(f"{name}={count}" for name, count in counts.items())
    say(f"backup of {settings.storage.path} to {to}: {words}, {size(done.bytes)}, "
               f"seconds={seconds:.1f}")  # fmt: skip
    return not done.faults
