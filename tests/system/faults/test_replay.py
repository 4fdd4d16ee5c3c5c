"""A start after an unclean end: what the index lost comes back from the journal and the tree."""

import pkgutil
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.checks.faults import damage

from storage import Archive, OnConflict, Received, catch_up, prepare, settle_index
from storage.index.tables import Level
from storage.journal import RECEIPTS, FolderJournal
from storage.journal.receipts import record_deletion, withdraw
from storage.maintenance.check.faults import FaultKind
from storage.maintenance.recovery import replay
from storage.maintenance.recovery.rebuilding import rebuild

CHARSET = "ISO_IR 100"
UIDS = [("1.1", "1.2", f"1.3.{number}") for number in range(4)]


class Node:
    """A data folder that ends uncleanly: what comes afterwards has the index of an earlier time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[Archive] = []
        self._numbers = iter(range(100))
        self.data = folder / "data"
        self.archive = self.started(self.data)

    def started(self, data: Path) -> Archive:
        if not prepare(data, sync=False, charset=CHARSET):
            rebuild(data, CHARSET)
        archive = Archive(data, sync=False, on_conflict=OnConflict.REPLACE)
        self._opened.append(archive)
        return archive

    def store(self, number: int, name: str = "Doe^Jane") -> None:
        data_set = encoded(ct(*UIDS[number], PatientID="P", PatientName=name))
        self.archive.store(Received(CT, UIDS[number][2], EXPLICIT, data_set, CHARSET))

    def index(self) -> Path:
        """The index as it is now."""
        kept = self._folder / f"index{next(self._numbers)}"
        kept.mkdir()
        for path in self.data.glob("index.sqlite*"):
            shutil.copy(path, kept)
        return kept

    def cut(self, index: Path) -> Path:
        """The folder behind a power cut that took all of the index since `index`."""
        copied = self._folder / f"cut{next(self._numbers)}"
        shutil.copytree(self.data, copied, ignore=shutil.ignore_patterns("index.sqlite*"))
        for path in index.iterdir():
            shutil.copy(path, copied)
        return copied

    def close(self) -> None:
        for archive in self._opened:
            archive.index.database.close_all()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.close()


def instances(archive: Archive) -> list[str]:
    rows = archive.index[Level.IMAGE].select().tuples()
    names = [field.name for field in archive.index.models[Level.IMAGE]._meta.sorted_fields]
    return sorted(row[names.index("SOPInstanceUID")] for row in rows)


def held(*numbers: int) -> list[str]:
    return [UIDS[number][2] for number in numbers]


def test_rows_that_were_lost_come_back(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.store(0)
    before = node.index()
    for number in (1, 2, 3):
        node.store(number)
    after = node.started(node.cut(before))
    assert instances(after) == held(0, 1, 2, 3)
    assert damage(after) == []
    assert "index caught up instances=3" in caplog.text


def test_rows_that_were_not_lost_are_left_alone(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.store(0)
    after = node.started(node.cut(node.index()))
    assert instances(after) == held(0)
    assert "caught up" not in caplog.text


def test_what_was_replaced_is_found_by_its_new_values(node: Node) -> None:
    node.store(0, "Old^Name")
    before = node.index()
    node.store(0, "New^Name")
    after = node.started(node.cut(before))
    assert damage(after) == []
    (patient,) = after.index[Level.PATIENT].select().dicts()
    assert patient["PatientName"] == "New^Name"


def test_a_row_without_its_file_is_forgotten(node: Node) -> None:
    """As it may be with sync = false. A check tells that it is lost."""
    node.store(0)
    node.store(1)
    data = node.cut(node.index())
    data.joinpath("tree", *UIDS[1][:2], f"{UIDS[1][2]}.dcm").unlink()
    after = node.started(data)
    assert instances(after) == held(0)
    assert [(fault.kind, fault.uids) for fault in damage(after)] == [(FaultKind.LOST, UIDS[1])]


def test_a_receipt_of_what_was_never_put_into_the_tree_is_withdrawn(node: Node) -> None:
    node.store(0)
    before = node.index()
    node.archive.journal.append(
        RECEIPTS, uids=UIDS[1], syntax=EXPLICIT, bytes=1, digest="", charset=CHARSET
    )
    after = node.started(node.cut(before))
    assert instances(after) == held(0)
    assert damage(after) == []


def test_what_was_withdrawn_does_not_come_back(node: Node) -> None:
    node.store(0)
    before = node.index()
    node.archive.journal.append(
        RECEIPTS, uids=UIDS[1], syntax=EXPLICIT, bytes=1, digest="", charset=CHARSET
    )
    withdraw(node.archive.journal, UIDS[1], "")
    assert instances(node.started(node.cut(before))) == held(0)


def test_half_a_last_line_is_passed_over(node: Node) -> None:
    before = node.index()
    node.store(0)
    data = node.cut(before)
    with (data / "journal" / "receipts.jsonl").open("ab") as file:
        file.write(b'\n{"at":"2026-01-01T00:00:00","uids":["1.1"')
    assert instances(node.started(data)) == held(0)


def test_only_what_came_since_the_index_was_settled_is_read(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        node.store(number)
    settle_index(node.data)
    before = node.index()
    node.store(2)
    starts: list[int] = []
    whole = FolderJournal(node.data, sync=False).size(RECEIPTS)
    read = FolderJournal.read
    monkeypatch.setattr(
        FolderJournal, "read", lambda self, *given: starts.extend(given[1:2]) or read(self, *given)
    )
    assert instances(node.started(node.cut(before))) == held(0, 1, 2)
    assert 0 < starts[0] < whole


@pytest.mark.parametrize("settled", [False, True])
def test_an_index_of_an_earlier_day_is_caught_up_from_its_own_mark(
    node: Node, settled: bool
) -> None:
    for number in (0, 1):
        node.store(number)
    settle_index(node.data)
    earlier = node.index()
    node.store(0, "New^Name")
    node.store(2)
    record_deletion(node.archive.journal, UIDS[1])
    node.archive.tree.path(UIDS[1]).unlink()
    if settled:
        settle_index(node.data)
    after = node.started(node.cut(earlier))
    assert instances(after) == held(0, 2)
    assert damage(after) == []


def test_an_index_of_another_archive_is_made_anew(node: Node, tmp_path: Path) -> None:
    other = Node(tmp_path / "other")
    other.store(3)
    settle_index(other.data)
    foreign = other.index()
    other.close()
    node.store(0)
    after = node.started(node.cut(foreign))
    assert instances(after) == held(0)
    assert damage(after) == []


def test_a_journal_that_was_put_back_has_the_index_made_anew(node: Node) -> None:
    node.store(0)
    settle_index(node.data)
    path = node.data / "journal" / "receipts.jsonl"
    before, earlier = path.read_bytes(), node.index()
    node.store(1)
    settle_index(node.data)
    for index in (node.index(), earlier):  # the journal alone, and both
        data = node.cut(index)
        (data / "journal" / "receipts.jsonl").write_bytes(before)
        assert instances(node.started(data)) == held(0, 1)


def test_a_clean_end_leaves_nothing_to_read(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.store(0)
    settle_index(node.data)
    data = node.cut(node.index())
    monkeypatch.delattr(FolderJournal, "read")
    assert instances(node.started(data)) == held(0)


@pytest.mark.parametrize("applied", ["", "no number", "999999999"])
def test_what_an_earlier_version_wrote_beside_the_journal_decides_nothing(
    node: Node, applied: str
) -> None:
    """It is the mark within the index that tells how far it is."""
    before = node.index()
    node.store(0)
    data = node.cut(before)
    (data / "journal" / "applied").write_text(applied)
    assert instances(node.started(data)) == held(0)


def test_what_a_reader_holds_back_is_settled_later(node: Node) -> None:
    """Transactions that did not get from the log into the file prove nothing."""
    settle_index(node.data)
    reader = sqlite3.connect(node.data / "index.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM instance").fetchone()
    node.store(0)
    settle_index(node.data)
    assert replay._applied(node.data) == 0
    reader.execute("ROLLBACK")
    settle_index(node.data)
    assert replay._applied(node.data) == FolderJournal(node.data, sync=False).size(RECEIPTS) > 0
    reader.close()


class Killed(BaseException):
    """Stands for kill -9: nothing cleans up behind it."""


# What a store calls, in its order.
STEPS = [
    ("storage.files.superseded.Superseded.keep", "before"),
    ("storage.files.superseded.Superseded.keep", "after"),
    ("storage.files.tree.Tree.place", "before"),
    ("storage.files.tree.Tree.place", "after"),
    ("storage.archive.archive.record", "before"),
    ("storage.archive.archive.record", "after"),
]


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(("step", "when"), STEPS, ids=[f"{w} {s}" for s, w in STEPS])
def test_a_store_that_is_killed_halfway_is_there_whole_or_not_at_all(
    node: Node, monkeypatch: pytest.MonkeyPatch, step: str, when: str, replaces: bool, settled: bool
) -> None:
    if replaces:
        node.store(0, "Old^Name")
    else:
        node.store(1)
    if settled:
        settle_index(node.data)
    owner, name = step.rsplit(".", 1)
    whole = getattr(pkgutil.resolve_name(owner), name)

    def killed(*arguments: object) -> None:
        if when == "after":
            whole(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(step, killed)
        if "supersede" in step and not replaces:
            node.store(0, "New^Name")
        else:
            with pytest.raises(Killed):
                node.store(0, "New^Name")
    copies = [node.cut(node.index()), without_index(node)]
    catch_up(node.data, CHARSET)  # as a node does that goes on
    whole_or_nothing(node.archive)
    for data in copies:
        after = node.archive = node.started(data)
        whole_or_nothing(after)
        node.store(0, "New^Name")
        assert damage(after) == []


def whole_or_nothing(archive: Archive) -> None:
    assert damage(archive) == []
    tree = list(archive.tree.walk())
    assert sorted(path.stem for path in tree) == instances(archive)
    # What was kept of a file that stayed would be there twice.
    assert [path.stat().st_nlink for path in tree] == [1] * len(tree)


def without_index(node: Node) -> Path:
    """The folder as it is, from which the index was deleted."""
    data = node.cut(node.index())
    for path in data.glob("index.sqlite*"):
        path.unlink()
    return data
