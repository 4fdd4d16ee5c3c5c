"""kill -9 of a command, or of the node, at exact moments of what changes the archive."""

import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    Code,
    RunningNode,
    ct,
    data_set_bytes,
    encoded,
    found,
    got,
    minipacs,
    running_node,
    send,
)
from support.checks.ages import make_old
from support.checks.backups import contents, whole
from support.checks.faults import faults, killed

OLD, NEW = "1.1", "1.2"
STUDIES = {study: [f"{study}.1.{number}" for number in range(3)] for study in (OLD, NEW)}


def data_set(study: str, uid: str) -> bytes:
    return encoded(ct(study, f"{study}.1", uid, PatientID=study))


SENT = {uid: data_set(study, uid) for study, uids in STUDIES.items() for uid in uids}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with running_node(tmp_path / "node", {"retention": {"days": 365}}) as running:
        for study, uids in STUDIES.items():
            with running.association((CT, EXPLICIT), ae_title="CT1") as association:
                for uid in uids:
                    assert send(association, CT, uid, data_set(study, uid)).Status == 0
        yield running


def superseded(node: RunningNode) -> set[str]:
    """The instances in superseded/, each as it was sent."""
    found: set[str] = set()
    for path in (node.data / "superseded").glob("*/*/*.dcm"):
        uid = path.stem.rpartition(".")[0]
        assert data_set_bytes(path) == SENT[uid]
        found.add(uid)
    return found


def compared(node: RunningNode) -> set[str]:
    """What is held, after a look that tree, index, check, C-FIND and C-GET agree on it."""
    lying = {path.stem: data_set_bytes(path) for path in node.files()}
    assert lying == {uid: SENT[uid] for uid in lying}
    assert faults(node.data) == []
    done = minipacs("check", node)
    assert (done.returncode, done.stdout[-10:]) == (0, " faults=0\n"), done.stdout
    for study in STUDIES:
        here = {uid for uid in lying if uid in STUDIES[study]}
        assert set(found(node, study, f"{study}.1")) == here
        if here:
            assert got(node, study) == {uid: SENT[uid] for uid in here}
    return set(lying)


CHANGES = [
    ("delete", "storage.maintenance.changes.deletion.record_deletion", 2),
    ("delete", "storage.maintenance.changes.deletion.forget", 3),
    ("delete", "storage.files.superseded.Superseded.take", 2),
    ("retain", "storage.maintenance.changes.deletion.forget", 1),
    ("restore", "storage.files.tree.Tree.place", 1),
    ("restore", "storage.maintenance.changes.deletion.record_file", 3),
]
# The same at another call, or by another command.
MORE_CHANGES = [
    ("delete", "storage.maintenance.changes.deletion.forget", 1),
    ("delete", "storage.files.superseded.prune", 3),
    ("retain", "storage.maintenance.changes.deletion.record_deletion", 2),
    ("retain", "storage.maintenance.changes.deletion.forget", 3),
    ("retain", "storage.files.superseded.Superseded.take", 1),
    ("restore", "storage.journal.FolderJournal.append", 2),
    ("restore", "storage.maintenance.changes.deletion.record_file", 1),
]
OPTIONS = {
    "delete": ("--study", OLD, "--yes"), "retain": ("--yes",), "restore": ("--study", OLD),
}  # fmt: skip


def later(rows: list[tuple[Any, ...]]) -> list[Any]:
    """Rows of the long run alone."""
    return [pytest.param(*row, marks=pytest.mark.long) for row in rows]


@pytest.mark.parametrize(("command", "step", "call"), [*CHANGES, *later(MORE_CHANGES)])
def test_a_command_that_was_killed_loses_nothing_and_a_second_one_ends_it(
    node: RunningNode, command: str, step: str, call: int
) -> None:
    make_old(node.data, 400, OLD)
    if command == "restore":
        assert minipacs("delete", node, "--study", OLD, "--yes").returncode == 0
    killed(node, step, call, command, *OPTIONS[command])
    node.kill()
    node.start()
    held = compared(node)
    assert held | superseded(node) == set(SENT)
    assert held >= set(STUDIES[NEW])
    assert not list((node.data / "journal").glob("*doing-*"))
    make_old(node.data, 400, OLD)
    done = minipacs(command, node, *OPTIONS[command])
    assert done.returncode in (0, 1), done.stderr  # 1: it had done all
    assert compared(node) == set(SENT if command == "restore" else STUDIES[NEW])
    assert superseded(node) == set(() if command == "restore" else STUDIES[OLD])


@pytest.mark.parametrize(
    ("command", "step"),
    [
        ("delete", "storage.maintenance.changes.deletion.forget"),
        ("restore", "storage.maintenance.changes.deletion.record_file"),
    ],
)
def test_a_node_that_goes_on_ends_what_a_killed_command_left(
    node: RunningNode, command: str, step: str
) -> None:
    if command == "restore":
        assert minipacs("delete", node, "--study", OLD, "--yes").returncode == 0
    mark = node.mark()
    killed(node, step, 2, command, *OPTIONS[command])
    node.wait_for_log("index caught up instances=1", after=mark)
    held = compared(node)
    assert len(held) == len(STUDIES[NEW]) + (1 if command == "delete" else 2)


@pytest.mark.parametrize(
    ("command", "step"),
    [
        *later([("delete", "storage.maintenance.changes.deletion.forget")]),
        ("restore", "storage.maintenance.changes.deletion.record_file"),
    ],
)
def test_a_second_run_without_a_node_ends_what_the_first_left(
    node: RunningNode, command: str, step: str
) -> None:
    if command == "restore":
        assert minipacs("delete", node, "--study", OLD, "--yes").returncode == 0
    assert node.stop() == 0
    killed(node, step, 2, command, *OPTIONS[command])
    assert minipacs(command, node, *OPTIONS[command]).returncode == 0
    assert faults(node.data) == []
    node.start()
    assert compared(node) == set(SENT if command == "restore" else STUDIES[NEW])


PURGE = [
    ("storage.files.superseded.Superseded.remove", 2),
    *later([("storage.files.superseded.prune", 2), ("storage.files.superseded.prune", 3)]),
]


@pytest.mark.parametrize(("step", "call"), PURGE)
def test_a_purge_that_was_killed_is_ended_by_a_second_one(
    node: RunningNode, step: str, call: int
) -> None:
    assert minipacs("delete", node, "--study", OLD, "--yes").returncode == 0
    killed(node, step, call, "purge", "--older-than", "0h", "--yes")
    assert superseded(node) < set(STUDIES[OLD])
    node.kill()
    node.start()
    assert compared(node) == set(STUDIES[NEW])
    left = superseded(node)
    assert minipacs("restore", node, "--study", OLD).returncode == (0 if left else 1)
    assert compared(node) == set(STUDIES[NEW]) | left
    minipacs("delete", node, "--study", OLD, "--yes")
    assert minipacs("purge", node, "--older-than", "0h", "--yes").returncode == 0
    assert compared(node) == set(STUDIES[NEW])
    assert superseded(node) == set()


# Whether it is the first into its folder, or there is one already.
BACKUP = [
    ("file_copies.copy_of_rest", 2, True), ("file_copies.FileCopies.flush", 1, True),
    ("file_copies.sync_folder", 1, True), ("journal_copy.JournalCopy.bring", 2, True),
    ("backup._Copy._remove_stale", 1, False), ("backup._Copy._catch_up", 1, False),
    ("backup._Copy._bring", 3, False), ("journal_copy._copy", 1, False),
]  # fmt: skip
MORE_BACKUP = [
    *((step, call, not is_first) for step, call, is_first in BACKUP),
    *product(("file_copies.copy_of_rest", "backup._Copy._changes_left",
              "file_copies.FileCopies.sync"), (1,), (True, False)),
]  # fmt: skip


@pytest.mark.parametrize(("step", "call", "is_first"), [*BACKUP, *later(MORE_BACKUP)])
def test_a_backup_that_was_killed_holds_whole_files_and_a_second_one_ends_it(
    node: RunningNode, tmp_path: Path, step: str, call: int, is_first: bool
) -> None:
    to = tmp_path / "backup"
    assert minipacs("pin", node, "--study", NEW).returncode == 0
    if not is_first:
        assert minipacs("backup", node, str(to)).returncode == 0
        assert minipacs("delete", node, "--study", OLD, "--yes").returncode == 0
    killed(node, f"storage.maintenance.backup.{step}", call, "backup", str(to))
    node.kill()
    for path in (to / "tree").glob("*/*/*.dcm"):
        assert data_set_bytes(path) == SENT[path.stem]
    node.start()
    held = compared(node)
    assert minipacs("backup", node, str(to)).returncode == 0
    assert contents(to) == contents(node.data)
    assert not list(to.rglob("*.part"))
    pins = (node.data / "journal" / "pins.jsonl").read_bytes()
    assert (to / "journal" / "pins.jsonl").read_bytes() == pins
    assert whole(to) == len(held)


@pytest.mark.parametrize("step", ["record_deletion", "forget"])
def test_a_node_that_is_killed_while_it_applies_its_rules_loses_nothing(
    node: RunningNode, step: str
) -> None:
    make_old(node.data, 400, OLD)
    node.stop()
    node.constants = {
        "scp.node.upkeep.retention._FIRST_SECONDS": 0.0,
        f"storage.maintenance.changes.deletion.{step}": Code(
            "lambda *given: __import__('os').killpg(0, 9)"
        ),
    }
    node.start()
    node.process.wait(CLIENT_SECONDS)
    assert node.process.returncode == -signal.SIGKILL
    node.constants = {}
    node.start()
    held = compared(node)
    assert held | superseded(node) == set(SENT)
    assert len(held) == len(SENT) - (step == "forget")
    make_old(node.data, 400, OLD)
    node.constants = {"scp.node.upkeep.retention._FIRST_SECONDS": 0.0}
    node.stop()
    node.start()
    node.wait_for_log("retention done studies=1")
    assert compared(node) == set(STUDIES[NEW])
    assert superseded(node) == set(STUDIES[OLD])
