"""The processes that read headers for an index that is made anew: they do their part, and end."""

import os
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    ROOT,
    RunningNode,
    ct,
    encoded,
    found,
    minipacs,
    running_node,
    send,
)
from support.checks.rebuilding import held_up, lose_index

STUDY, SERIES = "1.1", "1.1.1"
# A node with few instances has them read as one with many.
FEW = {
    "storage.maintenance.recovery.headers.FEW": 1,
    "storage.maintenance.recovery.filling._PIECE_FILES": 1,
    "storage.maintenance.recovery.filling._PIECE_BYTES": 500,
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with running_node(tmp_path / "node") as running:
        with running.association((CT, EXPLICIT)) as association:
            for number in range(12):
                data = encoded(ct(STUDY, SERIES, f"{SERIES}.{number}", PatientID="P"))
                assert send(association, CT, f"{SERIES}.{number}", data).Status == 0x0000
        running.constants = dict(FEW)
        yield running


def below(process: int) -> set[int]:
    """The processes that a process has forked, and those that these have."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(one) for one in children}.union(*(below(int(one)) for one in children))


def stray_files(node: RunningNode) -> None:
    """Some that the journal does not tell of: two are read by processes, one at a time."""
    tree = node.data / "tree" / STUDY / SERIES
    for number in (0, 1):
        uid = f"{SERIES}.9{number}"
        data = encoded(ct(STUDY, SERIES, uid, PatientID="P"))
        held = (tree / f"{SERIES}.0.dcm").read_bytes()
        old = encoded(ct(STUDY, SERIES, f"{SERIES}.0", PatientID="P"))
        (tree / f"{uid}.dcm").write_bytes(held[: -len(old)] + data)


def test_they_read_for_the_node_and_are_gone_then(node: RunningNode) -> None:
    node.kill()
    lose_index(node)
    stray_files(node)
    node.start()
    node.wait_for_log("index rebuilt instances=14")
    assert len(found(node, STUDY, SERIES)) == 14
    assert not [one for one in below(node.process.pid) if below(one)]
    assert minipacs("check", node).returncode == 0


def test_they_end_with_the_node(node: RunningNode) -> None:
    node.kill()
    lose_index(node)
    stray_files(node)
    with held_up(node):
        node.start()
        forked = below(node.process.pid)
        assert [one for one in forked if below(one)]  # which is the one that makes the index
        ends = [os.pidfd_open(one) for one in forked]
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
        await_ends(ends)
    node.start()
    assert len(found(node, STUDY, SERIES)) == 14
    assert list(node.data.glob("index.new*")) == []


def test_a_rebuild_that_is_interrupted_ends_at_once_and_the_next_goes_on(
    node: RunningNode,
) -> None:
    node.stop()
    stray_files(node)
    with held_up(node):
        process = subprocess.Popen(
            [sys.executable, "-c", node.code(), "rebuild", "-c", str(node.config)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while entered(node.data / "index.new") < 12:  # the others may come behind what is held up
            assert process.poll() is None
        ends = [os.pidfd_open(one) for one in below(process.pid)]
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=CLIENT_SECONDS)
        await_ends(ends)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in errors
    done = minipacs("rebuild", node)
    assert done.stdout == "index rebuilt instances=14\n"
    assert "the making of the index is gone on with" in done.stderr
    assert minipacs("check", node).returncode == 0


def entered(index: Path) -> int:
    """How many instances are in an index that is being made."""
    try:
        with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as made:
            ((count,),) = made.execute("SELECT COUNT(*) FROM instance")
    except sqlite3.Error:  # not yet there
        return 0
    return int(count)


def await_ends(ends: list[int]) -> None:
    for end in ends:
        assert select.select([end], [], [], CLIENT_SECONDS)[0]
        os.close(end)
