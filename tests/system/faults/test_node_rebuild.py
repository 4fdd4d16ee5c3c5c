"""An index made anew beside the node that serves: it receives meanwhile, and answers after."""

import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    FIND,
    GET,
    MOVE,
    ROOT,
    RunningNode,
    StartNode,
    ct,
    encoded,
    find,
    found,
    identifier,
    minipacs,
    retrieved,
    running_node,
    send,
)
from support.checks.rebuilding import ANEW, held_up, lose_index

from storage.journal import RECEIPTS, FolderJournal


def store(node: RunningNode, study: str, count: int = 3) -> set[str]:
    """Store a study of so many instances; returns their UIDs."""
    uids = {f"{study}.1.{number}" for number in range(1, count + 1)}
    with node.association((CT, EXPLICIT)) as association:
        for uid in uids:
            data = encoded(ct(study, f"{study}.1", uid, PatientID=study))
            assert send(association, CT, uid, data).Status == 0x0000
    return uids


def found_of(node: RunningNode, study: str) -> set[str]:
    return set(found(node, study, f"{study}.1"))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    # A destination that is known, so that a retrieve comes as far as the index.
    tables = {"node": {"workers": 2}, "peers": {"TESTER": {"host": "127.0.0.1", "port": 1}}}
    with running_node(tmp_path / "node", tables) as running:
        yield running


def test_a_node_whose_index_is_made_anew_receives_and_refuses_queries(node: RunningNode) -> None:
    before = store(node, "1.1")
    node.kill()
    lose_index(node)
    with held_up(node):
        node.start()
        meanwhile = store(node, "1.2")
        with node.association((FIND["STUDY"], EXPLICIT)) as association:
            answers, final = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")
        assert (answers, final.Status, final.ErrorComment) == ([], 0xA700, ANEW)
        study = identifier("STUDY", StudyInstanceUID="1.1")
        with node.association((GET["STUDY"], EXPLICIT), (CT, EXPLICIT)) as association:
            assert retrieved(association.send_c_get(study, GET["STUDY"])).status == 0xA701
        with node.association((MOVE["STUDY"], EXPLICIT)) as association:
            responses = association.send_c_move(study, "TESTER", MOVE["STUDY"])
            assert retrieved(responses).status in (0xA701, 0xA801)
        assert node.echoes()
        told = minipacs("check", node).stderr
        assert told.endswith("data: index not finished; it is being made anew; ask again later\n")
    node.wait_for_log(f"index rebuilt instances={len(before | meanwhile)}")
    assert found_of(node, "1.1") == before
    assert found_of(node, "1.2") == meanwhile
    assert minipacs("check", node).returncode == 0


def test_a_small_index_is_whole_when_the_node_says_that_it_listens(node: RunningNode) -> None:
    held = store(node, "1.1", 20)
    for _ in range(3):
        node.stop()
        lose_index(node)
        node.start()
        assert found_of(node, "1.1") == held


@pytest.mark.parametrize("end", ["all", "supervisor", "SIGTERM"])
def test_an_index_whose_making_was_ended_is_made_by_the_next_start(
    node: RunningNode, end: str
) -> None:
    before = store(node, "1.1")
    node.kill()
    lose_index(node)
    with held_up(node):
        node.start()
        meanwhile = store(node, "1.2")
        if end == "all":
            node.kill()
        elif end == "supervisor":
            children = [*node.workers]
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            for child in children:  # the one that makes the index lets go of the folder too
                wait_for_end_of(child)
        else:
            assert node.stop() == 0
    node.start()
    assert found_of(node, "1.1") == before
    assert found_of(node, "1.2") == meanwhile
    assert list(node.data.glob("index.new*")) == []


def wait_for_end_of(process: int) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], CLIENT_SECONDS)[0], f"{process} goes on"
    finally:
        os.close(descriptor)


def test_minipacs_rebuild_beside_senders_misses_nothing(node: RunningNode) -> None:
    studies = [f"1.{number}" for number in range(1, 9)]
    held = {study: store(node, study) for study in studies[:4]}
    with ThreadPoolExecutor(4) as pool:
        sending = pool.map(lambda study: (study, store(node, study, 40)), studies)
        outputs = [minipacs("rebuild", node) for _ in range(3)]
        held |= dict(sending)
    assert [(done.returncode, done.stdout[:24]) for done in outputs] == [
        (0, "index rebuilt instances=")
    ] * 3
    for study in studies:
        assert found_of(node, study) == held[study]
    checked = minipacs("check", node)
    assert checked.returncode == 0, checked.stdout
    assert minipacs("rebuild", node).stdout == "index rebuilt instances=320\n"


def test_associations_that_are_open_go_on_with_the_new_index(node: RunningNode) -> None:
    held = store(node, "1.1")
    with node.association((FIND["STUDY"], EXPLICIT), (CT, EXPLICIT)) as association:

        def studies() -> list[tuple[str, int]]:
            key = "NumberOfStudyRelatedInstances"
            answers, final = find(
                association, FIND["STUDY"], "STUDY", **{"StudyInstanceUID": "", key: ""}
            )
            assert final.Status == 0x0000
            return sorted((str(one.StudyInstanceUID), int(one[key].value)) for one in answers)

        for number in range(1, 4):
            assert minipacs("rebuild", node).returncode == 0
            assert studies() == [("1.1", len(held))]
            held.add(uid := f"1.1.1.9{number}")
            data = encoded(ct("1.1", "1.1.1", uid, PatientID="1.1"))
            assert send(association, CT, uid, data).Status == 0x0000
            assert studies() == [("1.1", len(held))]
    assert found_of(node, "1.1") == held
    assert minipacs("check", node).returncode == 0


def test_minipacs_rebuild_without_a_node(node: RunningNode) -> None:
    held = store(node, "1.1")
    node.stop()
    for spoil in (
        lambda: None,
        lambda: lose_index(node),
        lambda: (node.data / "index.sqlite").write_bytes(b"garbage" * 1000),
    ):
        spoil()
        assert minipacs("rebuild", node).stdout == "index rebuilt instances=3\n"
        assert minipacs("check", node).returncode == 0
    node.start()
    assert not node.logged("index", "made anew")
    assert found_of(node, "1.1") == held


def test_minipacs_rebuild_says_what_is_in_its_way(tmp_path: Path, node: RunningNode) -> None:
    nothing = RunningNode(tmp_path)
    done = minipacs("rebuild", nothing)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[storage] path" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    store(node, "1.1")
    with held_up(node):
        first = begun_rebuild(node)
        second = minipacs("rebuild", node)
        assert (second.returncode, second.stderr) == (
            1, "minipacs: index not rebuilt: another rebuild is under way\n",
        )  # fmt: skip
    assert first.communicate(timeout=CLIENT_SECONDS)[0] == "index rebuilt instances=3\n"


def test_beside_a_rebuild_without_a_node_no_other_is_asked_for(node: RunningNode) -> None:
    store(node, "1.1")
    assert node.stop() == 0
    lose_index(node)
    assert "index not there; `minipacs rebuild`" in minipacs("check", node).stderr
    with held_up(node):
        first = begun_rebuild(node)
        told = minipacs("check", node).stderr
        assert told.endswith("data: index not finished; it is being made anew; ask again later\n")
    assert first.communicate(timeout=CLIENT_SECONDS)[0] == "index rebuilt instances=3\n"


def test_an_index_lost_under_a_node_takes_a_restart_and_no_rebuild(node: RunningNode) -> None:
    store(node, "1.1")
    lose_index(node)
    for command in ("check", "rebuild"):
        told = minipacs(command, node).stderr
        assert "a node has it open" in told
        assert "restart that node" in told


def begun_rebuild(node: RunningNode) -> "subprocess.Popen[str]":
    """One that has its lock."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scp", "rebuild", "-c", str(node.config)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for_lock(node.data / "rebuild.lock", process)
    return process


def wait_for_lock(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until `process` holds a lock on `path`: /proc/locks tells."""
    while process.poll() is None:
        if path.exists() and f" {process.pid} " in Path("/proc/locks").read_text():
            return
    raise AssertionError("ended before it had the lock")


def test_the_catalogue_of_receipts_is_kept_near_the_journal_unasked(
    start_node: StartNode,
) -> None:
    node = start_node()
    node.stop()
    node.constants = {
        "scp.node.upkeep.index_keeper._SETTLE_SECONDS": 0.1,
        "scp.runtime.heartbeat.BEAT_SECONDS": 0.1,
    }
    node.start()
    store(node, "1.2")
    size = FolderJournal(node.data, sync=False).size(RECEIPTS)
    path = node.data / "journal" / "catalogue.sqlite"
    deadline = time.monotonic() + CLIENT_SECONDS
    while read_to(path) < size:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert read_to(path) == size


def test_what_deletions_leave_free_in_the_index_file_is_given_back_unasked(
    start_node: StartNode,
) -> None:
    node = start_node()
    with node.association((CT, EXPLICIT)) as association:
        for number in range(150):
            uids = "1.1", f"1.2.{number}", f"1.3.{number}"
            data = encoded(ct(*uids, SeriesDescription=f"of its own {number}"))
            assert send(association, CT, uids[2], data).Status == 0x0000
    node.stop()
    node.constants = {
        "scp.node.upkeep.index_keeper._SETTLE_SECONDS": 0.1,
        "scp.runtime.heartbeat.BEAT_SECONDS": 0.1,
        "storage.index.engines.sqlite.shrinking._LEAST_SHARE": 0.0,
        "storage.index.engines.sqlite.shrinking._LEAST_BYTES": 1,
    }
    node.start()
    done = minipacs("delete", node, "--study", "1.1", "--yes")
    assert done.returncode == 0, done.stderr
    assert "bytes=0" not in node.wait_for_log("index file made smaller")
    assert minipacs("check", node).stdout.endswith(" faults=0\n")


def read_to(path: Path) -> int:
    """How far a catalogue has read the receipts."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT position FROM mark WHERE name = ?", (RECEIPTS,)).fetchall()
    except sqlite3.Error:  # not there yet
        return -1
    return int(rows[0][0]) if rows else -1


def test_no_command_believes_an_index_of_another_day(start_node: StartNode) -> None:
    node = start_node()
    store(node, "1.1")
    assert node.stop() == 0
    journal = node.data / "journal"
    kept = node.data.parent / "journal of before"
    shutil.copytree(journal, kept)
    node.start()
    store(node, "1.2")
    assert node.stop() == 0
    shutil.rmtree(journal)
    kept.rename(journal)
    for command in (["check"], ["stats"], ["delete", "--study", "1.1", "-y"]):
        done = minipacs(*command[:1], node, *command[1:])
        assert done.returncode == 2
        assert "index of a journal that was longer; `minipacs rebuild` makes it anew" in done.stderr
    node.start()
    assert minipacs("stats", node).returncode == 0
    assert found_of(node, "1.1")
    assert found_of(node, "1.2")
