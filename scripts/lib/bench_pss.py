"""The memory of a server: what its processes hold in sum, each shared page counted once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PERIOD_SECONDS = 0.05


@contextmanager
def peak_pss(pid: int) -> Iterator[list[float]]:
    """A list that holds, behind the block, the highest PSS of a process and its descendants in MB.

    Looked at about 20 times a second; Linux only.
    """
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.is_set():
            started = time.monotonic()
            peak[0] = max(peak[0], sum(map(_pss_bytes, family(pid))) / 1e6)
            ended.wait(max(_PERIOD_SECONDS - (time.monotonic() - started), 0))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    with suppress(OSError):  # it may end meanwhile
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def _pss_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
