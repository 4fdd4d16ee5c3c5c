"""What is to come back from superseded/, or to go for good: any number of files, in little room."""

import gc
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import CT, EXPLICIT, ct, encoded

from storage import Archive, Level, Received, prepare
from storage.diagnostics import ResourceError
from storage.files import Kept
from storage.maintenance.changes import (
    AnyUid,
    Everything,
    KeptFiles,
    Named,
    Selection,
    deletion,
    selected,
)

CHARSET = "ISO_IR 100"
STUDIES = ("1.1", "1.2")


def kept(instance: str, since: float, size: int = 1) -> Kept:
    path = Path("/superseded/1.1/1.2") / f"{instance}.{int(since * 1e9)}.dcm"
    return Kept(path, ("1.1", "1.2", instance), since, size)


def test_all_of_an_instance_or_only_the_last_one() -> None:
    files = [kept("2", 5.5), kept("1", 2.25, 20), kept("1", 3.25, 300), kept("1", 1.25, 4)]
    every, last = KeptFiles(files), KeptFiles(files[:2], only_last=True)
    last.add(files[2:])
    assert sorted(every, key=lambda one: one.since) == sorted(files, key=lambda one: one.since)
    assert (len(every), every.bytes) == (4, 325)
    assert list(last) == last[:] == [files[2], files[0]]  # in the order of their UIDs
    assert (len(last), last.bytes, last[-1]) == (2, 301, files[0])
    assert not KeptFiles(())


def test_a_name_may_be_any_that_a_file_has() -> None:
    odd = [kept("\udcff", 1.0), kept("'1\n\\\"", 2.0), kept("ä" * 60, 3.0)]
    for only_last in (True, False):
        assert {*KeptFiles(odd, only_last)} == {*odd}


def test_none_of_many_files_is_held_in_memory() -> None:
    def alive() -> int:
        return sum(type(one) is Kept for one in gc.get_objects())

    gc.collect()
    before = alive()
    files = KeptFiles(kept(f"{number}", 1.0 + number) for number in range(1000))
    assert alive() - before <= 1
    for number, _ in enumerate(files):
        assert number % 100 or alive() - before <= 2
    assert len(files) == 1000


@pytest.mark.parametrize(("free", "place"), [(1 << 30, ""), (0, ":memory:")])
def test_on_a_full_disk_they_need_none_of_it(
    free: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connect = list[str](), sqlite3.connect
    room = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda place: room)
    monkeypatch.setattr(sqlite3, "connect", lambda name: opened.append(name) or connect(name))
    assert len(KeptFiles([kept("1", 1.0)])) == 1
    assert opened == [place]


def test_where_there_is_no_room_at_all_that_is_said() -> None:
    files = KeptFiles(())
    files._db.execute("PRAGMA max_page_count = 4")
    with pytest.raises(ResourceError, match="no room among temporary files"):
        files.add(kept(f"{number}", 1.0) for number in range(1000))


@pytest.fixture
def archive(tmp_path: Path, place_archive: Callable[[Path], None]) -> Iterator[Archive]:
    """One from which all was deleted, an instance of it twice."""
    place_archive(tmp_path)
    prepare(tmp_path, sync=False, charset=CHARSET)
    made = Archive(tmp_path, sync=False)
    for words in ("first", "last"):
        for study in STUDIES:
            data = encoded(ct(study, f"{study}.1", f"{study}.2", PatientID="P", StudyID=words))
            made.store(Received(CT, f"{study}.2", EXPLICIT, data, CHARSET))
    list(deletion.delete(made, list(selected(made, Everything()))))
    yield made
    made.close_thread()


@pytest.mark.parametrize(
    ("named", "studies"),
    [
        (Selection(Level.STUDY, "1.1"), ["1.1"]),
        (Selection(Level.SERIES, "1.1.1"), ["1.1"]),
        (Selection(Level.IMAGE, "1.2.2"), ["1.2"]),
        (Selection(Level.PATIENT, "P"), [*STUDIES]),
        (AnyUid("1.2.1"), ["1.2"]),
        (Everything(), [*STUDIES]),
        *[(Selection(Level.STUDY, uid), []) for uid in ("", "*", "..", "1.1/..", "1.3", "/")],
    ],
    ids=str,
)
def test_the_last_file_of_each_instance_may_come_back(
    archive: Archive, named: Named, studies: list[str]
) -> None:
    found = deletion.restorable(archive, named, CHARSET)
    assert [one.uids[0] for one in found] == studies
    for one in found:
        with archive.tree.superseded.open(one) as file:
            assert b"last" in file.read()
    assert len(KeptFiles(deletion.all_superseded(archive))) == 4


@pytest.mark.of_folder
def test_of_a_study_no_other_folder_is_looked_into(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, seen = os.scandir, list[str]()
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(str(path)) or scan(path))
    assert len(deletion.restorable(archive, Selection(Level.STUDY, "1.1"), CHARSET)) == 1
    folder = archive.tree.superseded.folder
    assert seen == [str(folder / "1.1"), str(folder / "1.1/1.1.1")]


def test_pages_of_receipts_are_looked_for(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "_BATCH", 1)
    files = deletion.restorable(archive, Everything(), CHARSET)
    assert len(list(deletion.restore(archive, files, CHARSET))) == len(files) == 2
    assert not deletion.restorable(archive, Everything(), CHARSET)
