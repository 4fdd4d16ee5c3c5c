"""Run as a process of its own: answer a query for all studies, print the peak memory in MB."""

import resource
import sys
from pathlib import Path

from lib.bench_cases import ALL_STUDIES, answer

import scp.network.services.find  # noqa: F401 - a node has pynetdicom loaded too
from storage import Archive


def _peak_bytes() -> int:
    """The process's own; that of `resource` may be its parent's, from before it was started."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    answer(Archive(Path(sys.argv[1]), sync=False), ALL_STUDIES.query(1, 0))
    print(_peak_bytes() / 1e6)
