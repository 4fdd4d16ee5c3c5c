"""Corrections as the journal's catalogue tells them: as the lines do, and without all of them."""

import json
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.names import examples

from storage import prepare
from storage.dicom.values.attributes import Level
from storage.files.tree import Tree
from storage.journal import CORRECTIONS, FolderJournal
from storage.journal.corrections import catalogue
from storage.journal.corrections.catalogue import Catalogued
from storage.journal.corrections.in_effect import in_force
from storage.journal.corrections.lines import Corrections, Listed
from storage.maintenance.changes.correction import correct, undo

UIDS = ("1.1", "2.1", "3.1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    prepare(made, sync=False, charset="")
    return made


def write(data: Path, *lines: object) -> None:
    """Lines of any kind, behind those that are there."""
    journal = data / "journal" / "corrections.jsonl"
    with journal.open("a") as file:
        for line in lines:
            file.write(f"\n{line if isinstance(line, str) else json.dumps(line)}\n")


def line(number: object, level: str, key: str, **values: str) -> dict[str, object]:
    return {"at": "now", "user": "me", "number": number, "level": level, "key": key,
            "values": values}  # fmt: skip


def undoing(number: object, undoes: object) -> dict[str, object]:
    return {"at": "later", "user": "you", "number": number, "undoes": undoes}


def listed(data: Path) -> Listed:
    return Listed(FolderJournal(data, sync=False).read(CORRECTIONS))


def told(of: Corrections) -> list[object]:
    """All that can be asked of corrections of a few entities."""
    studies = [("1.1", "2.1", "3.1"), ("1.2", "2.2", "3.2")]
    patients = ["", "A", "B", "C", "\udcff"]
    return [
        bool(of), of.of_patients, of.last_number, dict(of.all),
        [of.by_number(number) for number in (-1, 0, 1, 2, 3, 5, 1 << 70)],
        [of.applying(uids, one) for uids in studies for one in patients],
        [of.changes(uids, one) for uids in studies for one in patients],
        [of.patient_ids(one) for one in patients],
    ]  # fmt: skip


NUMBERS = st.sampled_from([1, 2, 3, 4, 5, 6, "3", 0, -1, 2.5, None, "x", float("inf"), 1 << 63])
KEYS = st.sampled_from(["A", "B", "C", "\udcff", "1.1", "1.2", "2.1", "3.2"])
LINES = st.one_of(
    st.builds(line, NUMBERS, st.sampled_from([*(one.name for one in Level), "FRAME"]), KEYS,
              PatientID=KEYS),
    st.builds(line, NUMBERS, st.sampled_from([one.name for one in Level]), KEYS, PatientName=KEYS),
    st.builds(undoing, NUMBERS, NUMBERS),
    st.sampled_from(["{", "[]", '{"number": 7, "values": 3}', '{"undoes": 1}']),
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(st.lists(LINES, min_size=1, max_size=5), max_size=4))
def test_it_tells_what_the_lines_tell_however_they_came(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[object]]
) -> None:
    data = tmp_path_factory.mktemp("data")
    (data / "journal").mkdir()
    for lines in batches:
        write(data, *lines)
        assert isinstance(in_force(data), Catalogued)
        found, expected = told(in_force(data)), told(listed(data))
        assert found == expected


def test_where_nothing_is_corrected_no_catalogue_is_looked_at(data: Path) -> None:
    assert in_force(data).changes(UIDS, "A") == {}
    assert not (data / "journal" / "catalogue.sqlite").exists()


def test_no_look_up_reads_the_lines_of_others(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(data, *(line(n, "STUDY", f"1.{n}", PatientName=f"N{n}") for n in range(1, 500)))
    assert in_force(data).changes(UIDS, "") == {"PatientName": "N1"}
    read: list[int] = []
    lines = FolderJournal.lines
    monkeypatch.setattr(
        FolderJournal, "lines", lambda self, *given: read.append(given[1]) or lines(self, *given)
    )
    monkeypatch.delattr(FolderJournal, "read")
    size = FolderJournal(data, sync=False).size(CORRECTIONS)
    assert in_force(data).changes(("1.7", "2", "3"), "") == {"PatientName": "N7"}
    assert not read
    write(data, line(500, "STUDY", "1.7", PatientName="New"))
    assert in_force(data).changes(("1.7", "2", "3"), "") == {"PatientName": "New"}
    assert read == [size]


def test_a_new_process_writes_nothing_where_another_has_read_the_lines(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    assert in_force(data)
    catalogue._connection._close()
    monkeypatch.setattr("storage.journal.catalogue._read_on", None)
    found = Catalogued(
        FolderJournal(data, sync=False), FolderJournal(data, sync=False).size(CORRECTIONS)
    )
    with sqlite3.connect(data / "journal" / "catalogue.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # nor is one waited for that writes
        assert found.changes(UIDS, "") == {"PatientName": "A"}
        assert found._listed is None
    other.close()


def removed(data: Path) -> None:
    for one in (data / "journal").glob("catalogue*"):
        one.unlink()


def damaged(data: Path) -> None:
    removed(data)
    (data / "journal" / "catalogue.sqlite").write_bytes(b"garbage" * 1000)


def begun_anew(data: Path) -> None:
    """As by another process that has not read far yet."""
    with sqlite3.connect(data / "journal" / "catalogue.sqlite") as db:
        db.execute("DELETE FROM correction")
        db.execute("UPDATE mark SET position = 0")
    db.close()


def of_no_use(data: Path) -> None:
    removed(data)
    (data / "journal" / "catalogue.sqlite").mkdir()


@pytest.mark.parametrize("harm", [removed, damaged, begun_anew, of_no_use])
def test_it_tells_the_same_whatever_becomes_of_the_file(
    data: Path, harm: Callable[[Path], None]
) -> None:
    write(data, line(1, "STUDY", "1.1", PatientID="B"), line(2, "PATIENT", "B", PatientName="N"))
    assert told(in_force(data)) == told(listed(data))
    harm(data)
    assert told(in_force(data)) == told(listed(data))
    write(data, undoing(3, 1))
    assert told(in_force(data)) == told(listed(data))
    assert correct(Tree(data, sync=False), (Level.STUDY, "1.1"), {}, user="me",
                   before={}).number == 4  # fmt: skip


def test_where_others_write_for_long_the_lines_are_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_BUSY_SECONDS", 0.01)
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    assert in_force(data)
    write(data, line(2, "STUDY", "1.1", PatientName="B"))
    with sqlite3.connect(data / "journal" / "catalogue.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert in_force(data).changes(UIDS, "") == {"PatientName": "B"}
    other.close()
    assert told(in_force(data)) == told(listed(data))


def test_a_last_line_that_is_cut_short_is_as_it_was(data: Path) -> None:
    path = data / "journal" / "corrections.jsonl"
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    with path.open("a") as file:
        file.write("\n" + json.dumps(line(2, "STUDY", "1.1", PatientName="B")))
    assert told(in_force(data)) == told(listed(data))
    assert in_force(data).changes(UIDS, "") == {"PatientName": "B"}
    write(data, undoing(3, 1))
    assert told(in_force(data)) == told(listed(data))


def in_child(work: Callable[[], bool]) -> None:
    """Have a forked process do it, and be content."""
    process = os.fork()
    if not process:
        code = 1
        try:
            code = not work()
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0


def test_no_connection_is_in_two_processes(data: Path) -> None:
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    assert in_force(data).changes(UIDS, "") == {"PatientName": "A"}
    assert catalogue._connection._kept is not None
    in_child(lambda: catalogue._connection._kept is None)
    assert catalogue._connection._kept is None
    in_child(lambda: in_force(data).changes(UIDS, "") == {"PatientName": "A"})
    assert in_force(data).changes(UIDS, "") == {"PatientName": "A"}


def test_a_fork_waits_for_a_thread_that_looks(data: Path) -> None:
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    stop = threading.Event()
    wrong: list[object] = []

    def look() -> None:
        while not stop.is_set():
            if (found := in_force(data).changes(UIDS, "")) != {"PatientName": "A"}:
                wrong.append(found)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for one in threads:
        one.start()
    try:
        for _ in range(20):
            in_child(lambda: in_force(data).changes(UIDS, "") == {"PatientName": "A"})
    finally:
        stop.set()
        for one in threads:
            one.join()
    assert not wrong


def test_what_another_process_corrects_or_undoes_is_seen_at_once(data: Path) -> None:
    tree = Tree(data, sync=False)
    for name in ("A", "B"):
        made = {"PatientName": name}
        in_child(lambda made=made: bool(
            correct(tree, (Level.STUDY, "1.1"), made, user="me", before={})
        ))  # fmt: skip
        assert in_force(data).changes(UIDS, "") == made
    in_child(lambda: undo(tree, 2, "me") is None)
    assert in_force(data).changes(UIDS, "") == {"PatientName": "A"}
    in_child(lambda: undo(tree, 1, "me") is None)
    assert not in_force(data)
    assert in_force(data).last_number == 4


def _correct_many(data: Path, first: int) -> None:
    tree = Tree(data, sync=False)
    for number in range(first, first + 10):
        correct(tree, (Level.STUDY, f"1.{number}"), {"PatientName": "A"}, user="me", before={})


def test_two_processes_that_correct_at_once_give_each_number_once(data: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_correct_many, args=(data, first)) for first in (0, 10)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert list(in_force(data).all) == list(range(1, 21))
    assert {one.entity[1] for one in in_force(data).all.values()} == {f"1.{n}" for n in range(20)}


def test_what_a_kill_left_as_a_line_alone_is_in_force_and_has_its_number(data: Path) -> None:
    write(data, line(1, "STUDY", "1.1", PatientName="A"))
    assert in_force(data)
    write(data, line(2, "STUDY", "1.1", PatientName="B"))
    made = correct(Tree(data, sync=False), (Level.STUDY, "1.2"), {}, user="me", before={})
    assert made.number == 3
    assert in_force(data).changes(UIDS, "") == {"PatientName": "B"}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    catalogue._connection._close()


def _append(journal: Path) -> None:
    with (journal / "corrections.jsonl").open("a") as file:
        file.write("\n")


def _close(journal: Path) -> None:
    (journal / "corrections").mkdir()
    (journal / "corrections.link").rename(journal / "corrections" / f"{0:015d}.jsonl")
    (journal / "corrections.new").touch()
    (journal / "corrections.new").replace(journal / "corrections.jsonl")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line": _append,
    "a segment that is closed": _close,
    "a file moved away": lambda journal: (journal / "corrections.jsonl").rename(journal / "aside"),
    "all of it moved away": lambda journal: journal.rename(journal.with_name("aside")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_how_far_the_lines_go_is_asked_again_where_their_files_have_changed(
    data: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    size = FolderJournal.size

    def asked_for(journal: FolderJournal, name: str) -> int:
        asked.append(name)
        return size(journal, name)

    FolderJournal(data, sync=False).append(CORRECTIONS, **line(1, "STUDY", "1.1", PatientName="A"))
    in_force(data)
    monkeypatch.setattr(FolderJournal, "size", asked_for)
    assert in_force(data) is in_force(data)
    assert not asked
    CHANGES[what](data / "journal")
    in_force(data)
    assert CORRECTIONS in asked
