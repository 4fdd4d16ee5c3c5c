"""A check beside a node that is stored to: no fault that is none, and nothing lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, StartNode, ct, encoded, send
from test_check import CHARSET, FIRST, instance, run

from storage import Archive, prepare
from storage.archive import archive
from storage.diagnostics.errors import ResourceError
from storage.dicom.values.uids import Uids
from storage.files.disk import tree_walk
from storage.files.tree import Tree
from storage.maintenance.check import checking, instances
from storage.maintenance.check.checking import check

SENDERS, EACH, ROUNDS = 3, 12, 6


class Sender(threading.Thread):
    """Stores its instances, and then others in their place, over and over.

    What study and series are called changes too, and which values there are at all.
    """

    def __init__(self, node: RunningNode, number: int, done: threading.Event) -> None:
        super().__init__()
        self.held: dict[Path, bytes] = {}
        self.rounds = 0
        self.refused: list[int] = []
        self._node = node
        self._number = number
        self._done = done

    def run(self) -> None:
        with self._node.association((CT, EXPLICIT)) as association:
            while not self._done.is_set() or self.rounds < ROUNDS:
                for number in range(EACH):
                    data_set = self._instance(number)
                    data = encoded(data_set)
                    status = send(association, CT, str(data_set.SOPInstanceUID), data).Status
                    if status:
                        self.refused.append(status)
                    self.held[self._node.path(data_set)] = data
                self.rounds += 1

    def _instance(self, number: int) -> Dataset:
        study = f"1.2.{self._number % 2}"  # two senders share one
        series = f"{study}.{self._number}.{number % 3}"
        told = self.rounds + number
        return ct(
            study, series, f"{series}.{number}",
            PatientID=f"P{self._number % 2}",
            StudyDescription=f"round {self.rounds}" if told % 2 else None,
            SeriesDescription=f"round {self.rounds}" if told % 3 else None,
            InstanceNumber=str(told), SamplesPerPixel=1, BitsAllocated=8,
            PixelData=told.to_bytes(2, "little") * 8,
        )  # fmt: skip


def test_a_check_and_a_repair_beside_senders_find_nothing_and_lose_nothing(
    start_node: StartNode,
) -> None:
    # They replace each other's content more often than versions are kept of one instance.
    node = start_node(node={"workers": 2}, storage={"superseded_copies": 0})
    done = threading.Event()
    senders = [Sender(node, number, done) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    node.data.joinpath("incoming", "1-left.part").write_bytes(b"none of its business")
    try:
        for options in (("--json",), ("--json", "--repair")) * 4:
            checked = run(node.config, *options)
            assert checked.document["faults"] == []
            assert checked.code == 0
    finally:
        done.set()
        for sender in senders:
            sender.join(CLIENT_SECONDS)
        node.data.joinpath("incoming", "1-left.part").unlink()
    assert [sender.refused for sender in senders] == [[]] * SENDERS
    assert min(sender.rounds for sender in senders) >= ROUNDS
    held = {path: data for sender in senders for path, data in sender.held.items()}
    assert sorted(held) == node.files()
    assert [path for path, data in held.items() if not path.read_bytes().endswith(data)] == []
    last = run(node.config, "--json")
    assert (last.kinds, last.document["held"]["instances"]) == ({}, len(held))
    assert last.code == 0


# ---- each moment by itself


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Archive]:
    """An archive that holds FIRST, replaced once."""
    prepare(tmp_path, sync=False, charset=CHARSET)
    opened = Archive(tmp_path, sync=False)
    for text in ("first", "second"):
        opened.store(instance(*FIRST, StudyDescription=text))
    yield opened
    opened.close_thread()


def store_once(data: Path, **values: Any) -> Callable[[], None]:
    """Stores FIRST with other values when it is called first, as another process does."""
    other, left = Archive(data, sync=False), [1]

    def store() -> None:
        if left:
            left.clear()
            other.store(instance(*FIRST, **values))
            other.close_thread()

    return store


# Where a store comes between: before this function, or behind it.
MOMENTS = {
    "between row and file": (instances, "examine", True),
    "between file and journal": (checking, "in_journal", True),
    "between journal and row": (checking, "receipts_of", False),
    "between tree and row": (tree_walk, "named_by", True),
}


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_replaced_between_two_looks_is_looked_at_again(
    held: Archive, monkeypatch: pytest.MonkeyPatch, moment: str, repair: bool
) -> None:
    module, name, before = MOMENTS[moment]
    store = store_once(held.tree.data, StudyDescription="", PatientID="P7")
    looked = getattr(module, name)

    def between(*arguments: Any, **named: Any) -> Any:
        if before:
            store()
            return looked(*arguments, **named)
        found = looked(*arguments, **named)
        store()
        return found

    monkeypatch.setattr(module, name, between)
    assert list(check(held, CHARSET, repair)) == []
    assert held.index.database.execute_sql("SELECT PatientID FROM patient").fetchall() == [("P7",)]


@pytest.mark.parametrize("repair", [False, True])
def test_a_file_whose_row_is_still_to_come_is_waited_for(
    held: Archive, monkeypatch: pytest.MonkeyPatch, repair: bool
) -> None:
    new: Uids = ("1.1", "1.2", "1.3.2")
    placed, looked_for = threading.Event(), threading.Event()
    record, locked = archive.record, Tree.locked

    def late(*arguments: Any) -> None:
        placed.set()
        assert looked_for.wait(CLIENT_SECONDS)
        record(*arguments)

    def told(tree: Tree, uids: Uids) -> AbstractContextManager[None]:
        if threading.current_thread() is threading.main_thread():
            looked_for.set()
        return locked(tree, uids)

    monkeypatch.setattr(archive, "record", late)
    monkeypatch.setattr(Tree, "locked", told)
    sender = threading.Thread(target=held.store, args=[instance(*new)])
    sender.start()
    assert placed.wait(CLIENT_SECONDS)
    assert list(check(held, CHARSET, repair)) == []
    assert looked_for.is_set()
    sender.join(CLIENT_SECONDS)
    assert list(check(held, CHARSET)) == []


def test_an_index_that_is_replaced_meanwhile_ends_the_check(
    held: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told of an index that is not there any more is true of nothing."""
    path = held.tree.data / "index.sqlite"
    held.tree.path(FIRST).unlink()

    def swapped(*arguments: Any) -> Any:
        path.rename(path.with_suffix(".old"))
        path.write_bytes(b"")
        return examine(*arguments)

    examine = instances.examine
    monkeypatch.setattr(instances, "examine", swapped)
    with pytest.raises(ResourceError, match="replaced meanwhile"):
        list(check(held, CHARSET, repair=True))
