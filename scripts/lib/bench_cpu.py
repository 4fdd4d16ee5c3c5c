"""The processor time of a server: what its processes have used in sum."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.bench_pss import family

_TICKS = os.sysconf("SC_CLK_TCK")
_CPU_CLOCK = 2  # of a process, by its id: clock_getcpuclockid(3), which Python does not have


@contextmanager
def cpu_used(pid: int) -> Iterator[list[float]]:
    """A list that holds, behind the block, the seconds that a process and its descendants used.

    With what ended and was waited for by its parent, that to 10 ms; Linux only.
    """
    before, used = _seconds(pid), [0.0]
    yield used
    used[0] = sum(after - before.get(one, 0.0) for one, after in _seconds(pid).items())


def _seconds(pid: int) -> dict[int, float]:
    found = {}
    for process in family(pid):
        with suppress(OSError):  # it ended meanwhile
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            own = time.clock_gettime(~process << 3 | _CPU_CLOCK)
            found[process] = own + sum(map(int, fields[13:15])) / _TICKS
    return found
