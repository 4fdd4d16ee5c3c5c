"""What a node holds and leaves: processes, memory, threads, descriptors, files."""

import os
import re
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from scp.node.association_threads import MOST_IDLE
from support import RunningNode

_SETTLE_SECONDS = 60.0
_LOOKS = 10
_UID = r"[0-9.]{1,64}"
# What may lie in a data folder, by its path within: nothing else is ever made there.
_LAYOUT = re.compile(
    rf"tree(/{_UID}(/{_UID}(/{_UID}\.dcm)?)?)?|superseded(/{_UID}(/{_UID}(/{_UID}\.\d+\.dcm)?)?)?"
    r"|incoming|journal(/((receipts|commitments)(\.jsonl|\.link|/\d{15}\.jsonl)?|identity"
    r"|segments\.lock|catalogue\.sqlite(-wal|-shm)?))?"
    r"|audit(/audit\.jsonl(\.busy)?(\.\d+)?)?|index\.(sqlite|sqlite-wal|sqlite-shm|lock)"
    r"|index\.sqlite\.[0-9a-f]{8}(-wal|-shm)?|lock|settled"
    r"|log(/\d+-\d+-[0-9a-f]{8}\.(log|new|unsynced))?|(beside|compact|headers|log|node)\.lock|asked-keys(\.before)?\.jsonl"
)
# Of the connections to the index that a worker keeps: each of the file, of its log, of the lock.
_INDEX_DESCRIPTORS = 8 * 3 + 1
# Of the file by which places of instances are locked.
_LOCK_DESCRIPTORS = 8
# Of the journal's segments that are written to: receipts, and with a first request commitments.
_JOURNAL_DESCRIPTORS = 2


@dataclass(frozen=True)
class Resources:
    """Of a process: memory of its own in KiB, threads, descriptors.

    Descriptors of the index, of locks and of the journal are counted for themselves: some are kept.
    """

    memory: int
    threads: int
    descriptors: int
    index: int
    locks: int
    journal: int


# By process ID, of the supervisor and of every worker.
Held = dict[int, Resources]


def resources(node: RunningNode) -> Held:
    """What a node's processes hold now."""
    return {process: _of(process) for process in (node.process.pid, *node.workers)}


def _of(process: int) -> Resources:
    threads = len(os.listdir(f"/proc/{process}/task"))
    names = [_target(link) for link in Path(f"/proc/{process}/fd").iterdir()]
    of_index = sum("/index." in name for name in names)
    of_locks = sum(name.endswith("/lock") for name in names)
    of_journal = sum("/journal/" in name for name in names)
    others = len(names) - of_index - of_locks - of_journal
    return Resources(anonymous(process), threads, others, of_index, of_locks, of_journal)


def _target(link: Path) -> str:
    with suppress(FileNotFoundError):  # closed meanwhile
        return os.readlink(link)
    return ""


def anonymous(process: int) -> int:
    """The KiB of memory that are no file's; shared or not, as others come and go that share it."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise AssertionError("no Anonymous")


def at_rest(node: RunningNode) -> Held:
    """What a node holds when nobody is connected: the least of some looks."""
    looks = []
    for _ in range(_LOOKS):
        assert node.echoes()
        looks.append(resources(node))
    return {process: _least([look[process] for look in looks]) for process in looks[0]}


def _least(looks: list[Resources]) -> Resources:
    return Resources(*(min(column) for column in zip(*map(astuple, looks), strict=True)))


def assert_no_more(node: RunningNode, before: Held) -> Held:
    """Each process has as few threads and descriptors as before, soon; returns what it has.

    Of threads for the next association, of connections to the index and of open segments there may
    be as many as are kept.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        now = at_rest(node)
        assert now.keys() == before.keys(), "a process was replaced"
        more = {
            process: (held, before[process])
            for process, held in now.items()
            if held.threads > before[process].threads + MOST_IDLE
            or held.descriptors > before[process].descriptors
            or held.index > max(_INDEX_DESCRIPTORS, before[process].index)
            or held.locks > max(_LOCK_DESCRIPTORS, before[process].locks)
            or held.journal > max(_JOURNAL_DESCRIPTORS, before[process].journal)
        }
        if not more:
            return now
        assert time.monotonic() < deadline, more


def grown(before: Held, after: Held) -> int:
    """The most KiB that the memory of a process has grown by."""
    return max(after[process].memory - before[process].memory for process in before)


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
