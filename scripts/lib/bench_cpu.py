"""The processor time of a server: what its processes have used in sum."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.bench_pss import family

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def cpu_used(pid: int) -> Iterator[list[float]]:
    """A list that holds, behind the block, the seconds that a process and its descendants used.

    With what ended and was waited for by its parent; Linux only, to 10 ms.
    """
    before, used = _seconds(pid), [0.0]
    yield used
    used[0] = sum(after - before.get(one, 0.0) for one, after in _seconds(pid).items())


def _seconds(pid: int) -> dict[int, float]:
    found = {}
    for process in family(pid):
        with suppress(OSError):  # it ended meanwhile
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            found[process] = sum(map(int, fields[11:15])) / _TICKS
    return found
