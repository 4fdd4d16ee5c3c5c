"""What a node holds and leaves: processes, memory, threads, descriptors, files."""

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from support import RunningNode

_SETTLE_SECONDS = 20.0
_LOOKS = 10
_UID = r"[0-9.]{1,64}"
# What may lie in a data folder, by its path within: nothing else is ever made there.
_LAYOUT = re.compile(
    rf"tree(/{_UID}(/{_UID}(/{_UID}\.dcm)?)?)?|superseded(/{_UID}(/{_UID}(/{_UID}\.\d+\.dcm)?)?)?"
    r"|incoming|journal(/(receipts\.jsonl|commitments\.jsonl|applied))?"
    r"|audit(/audit\.jsonl(\.\d+)?)?|index\.(sqlite|sqlite-wal|sqlite-shm|lock)|lock"
)
# Of the connections to the index that a worker keeps: each of the file, of its log, of the lock.
INDEX_DESCRIPTORS = 8 * 3 + 1


@dataclass(frozen=True)
class Resources:
    """Of all processes of a node: proportional memory in KiB, threads, descriptors.

    Those of the index are counted for themselves: some connections to it are kept.
    """

    memory: int
    threads: int
    descriptors: int
    index: int


def resources(node: RunningNode) -> Resources:
    """What a node holds now."""
    memory = threads = descriptors = index = 0
    for process in (node.process.pid, *node.workers):
        memory += pss(process)
        threads += len(os.listdir(f"/proc/{process}/task"))
        names = [
            _target(Path(f"/proc/{process}/fd/{n}")) for n in os.listdir(f"/proc/{process}/fd")
        ]
        of_index = sum("/index." in name for name in names)
        index += of_index
        descriptors += len(names) - of_index
    return Resources(memory, threads, descriptors, index)


def _target(link: Path) -> str:
    with suppress(FileNotFoundError):  # closed meanwhile
        return os.readlink(link)
    return ""


def pss(process: int) -> int:
    """The proportional set size of a process in KiB."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


def at_rest(node: RunningNode) -> Resources:
    """What a node holds when nobody is connected: the least of some looks."""
    looks = []
    for _ in range(_LOOKS):
        assert node.echoes()
        looks.append(resources(node))
    return min(looks, key=lambda look: (look.threads, look.descriptors, look.memory))


def settled(node: RunningNode, before: Resources) -> Resources:
    """What a node holds once its threads and descriptors are no more than before, or too late."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        assert node.echoes()
        now = resources(node)
        fewer = now.threads <= before.threads and now.descriptors <= before.descriptors
        if fewer or time.monotonic() > deadline:
            return now


def assert_no_more(node: RunningNode, before: Resources) -> None:
    """Threads and descriptors are no more than before, and connections to the index are few."""
    now = settled(node, before)
    assert now.threads <= before.threads, (now, before)
    assert now.descriptors <= before.descriptors, (now, before)
    assert now.index <= INDEX_DESCRIPTORS * len(node.workers), (now, before)


def files_outside(node: RunningNode, top: Path) -> set[Path]:
    """Every file and folder from `top` down that is not within the node's data folder."""
    return {p for p in top.rglob("*") if node.data not in (p, *p.parents)}


def strays(node: RunningNode) -> list[str]:
    """What lies in the data folder and is of no known layout, when nothing is being received."""
    paths = [path.relative_to(node.data) for path in node.data.rglob("*")]
    return [
        str(path)
        for path in paths
        if not _LAYOUT.fullmatch(str(path)) or {".", ".."} & set(path.parts)
    ]
