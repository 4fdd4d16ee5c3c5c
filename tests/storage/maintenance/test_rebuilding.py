"""An index made anew: the journal once, whatever comes meanwhile, and cut off at any step."""

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, encoded, identifier
from support.checks.faults import damage

from storage import Archive, Level, OnConflict, Query, Received, Root, prepare
from storage.diagnostics.errors import ResourceError
from storage.index.engines.sqlite import replacing
from storage.journal import CORRECTIONS, RECEIPTS, FolderJournal
from storage.maintenance.changes import deletion
from storage.maintenance.changes.correction import correct
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.recovery import filling, headers, rebuilding
from storage.maintenance.recovery.filling import Filling
from storage.maintenance.recovery.headers import Stretch
from storage.maintenance.recovery.rebuilding import rebuild

CHARSET = "ISO_IR 100"
STUDY, SERIES = "1.1", "1.2"


class Killed(BaseException):
    """Stands for kill -9: nothing cleans up behind it."""


class Folder:
    """A data folder, and what stores to it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        prepare(data, sync=False, charset=CHARSET)
        self.archive = Archive(data, sync=False, on_conflict=OnConflict.REPLACE)
        self.stored = 0

    def store(self, count: int = 1) -> None:
        for _ in range(count):
            self.stored += 1
            self.put(str(self.stored))

    def put(self, number: str, name: str = "Doe^Jane") -> None:
        data_set = encoded(ct(STUDY, SERIES, f"1.3.{number}", PatientName=name))
        self.archive.store(Received(CT, f"1.3.{number}", EXPLICIT, data_set, CHARSET))

    def names(self) -> list[str]:
        asked = identifier("PATIENT", PatientName="", PatientID="")
        query = Query.read(Root.PATIENT, encoded(asked), EXPLICIT, CHARSET)
        return [one.texts[1] for one in self.archive.find(query, CHARSET)]

    def index_files(self) -> list[str]:
        """The files of the index but for what SQLite keeps beside one that is open."""
        found = [path.name for path in self.data.glob("index.*")]
        return sorted(name for name in found if not name.endswith(("-wal", "-shm", ".lock")))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "data")
    yield made
    made.archive.index.database.close_all()


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """From where to where the journal was gone through, a few lines at a time."""
    found: list[tuple[int, int]] = []
    read = Stretch.read
    monkeypatch.setattr(filling, "_PIECE_BYTES", 600)
    monkeypatch.setattr(
        Stretch, "read", lambda piece: found.append((piece.start, piece.end)) or read(piece)
    )
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Have something done when all that was there at first is in the new index."""
    fill = Filling.fill

    def filled(made: Filling) -> None:
        fill(made)
        do()

    monkeypatch.setattr(Filling, "fill", filled)


def test_the_journal_is_gone_through_once_and_a_little_at_a_time(
    folder: Folder, stretches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.store(20)
    meanwhile(monkeypatch, lambda: folder.store(60))
    assert rebuild(folder.data, CHARSET) == 80
    assert stretches[0][0] == 0
    assert stretches[-1][1] == FolderJournal(folder.data, sync=False).size(RECEIPTS)
    assert [start for start, _ in stretches[1:]] == [end for _, end in stretches[:-1]]
    assert max(end - start for start, end in stretches[:20]) <= 600
    assert damage(folder.archive) == []


def test_it_ends_where_stores_are_faster_than_it_is(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held up for moments; else each round would find more than the one before."""
    follow, held = Filling.follow, list[bool]()

    def outrun(made: Filling, end: int, locked: bool = True) -> None:
        before = made.position
        follow(made, end, locked)
        held.append(not locked)
        if locked:
            folder.store(2 + 2 * (end - before) // 300)

    monkeypatch.setattr(Filling, "follow", outrun)
    monkeypatch.setattr(rebuilding, "_LITTLE_BYTES", 1 << 10)
    monkeypatch.setattr(rebuilding, "_HELD_SECONDS", 0.0)
    folder.store(10)
    assert rebuild(folder.data, CHARSET) == folder.stored
    assert held.count(False) == 2
    assert held.count(True) > 2
    assert damage(folder.archive) == []


def test_it_does_not_take_the_place_where_much_came_at_the_last_moment(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, tries = type(folder.archive.tree).all_locked, list[int]()

    def late(tree: Any) -> Any:
        tries.append(folder.stored)
        if len(tries) == 1:
            folder.store(100)
        return locked(tree)

    monkeypatch.setattr(type(folder.archive.tree), "all_locked", late)
    folder.store(3)
    assert rebuild(folder.data, CHARSET) == 103
    assert tries == [3, 103]


def test_processes_read_and_one_writes(
    folder: Folder, stretches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "FEW", 5)
    monkeypatch.setattr(filling, "_PIECE_FILES", 3)
    folder.store(30)
    receipts = folder.data / "journal" / "receipts.jsonl"
    lines = receipts.read_bytes().splitlines(keepends=True)
    receipts.write_bytes(b"".join(lines[: len(lines) // 2]))  # of the others nothing tells
    pools: list[ThreadPoolExecutor] = []

    def make() -> tuple[ThreadPoolExecutor, int]:
        pools.append(ThreadPoolExecutor(2))
        return pools[-1], 2

    assert rebuild(folder.data, CHARSET, pool=make) == 30
    assert len(stretches) > 5
    assert len(pools) == 1
    with pytest.raises(RuntimeError, match="after shutdown"):
        pools[0].submit(int)
    assert folder.names() == ["Doe^Jane"]


@pytest.mark.parametrize("again", ["withdrawn", "replaced", "both"])
def test_a_file_is_held_to_its_own_receipt_however_far_the_others_are_from_it(
    folder: Folder, stretches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """As where a store failed behind its receipt, or another one displaced what it brought."""
    folder.put("1", "First^Name")
    folder.store(5)
    if again != "withdrawn":
        folder.put("1", "Second^Name")
        folder.store(5)
    if again != "replaced":
        with monkeypatch.context() as patch:
            patch.setattr("storage.archive.archive.record", _refused)
            patch.setattr(folder.archive.withdrawals, "flush", lambda: None)  # later
            with pytest.raises(ResourceError):
                folder.put("1", "Third^Name")
        folder.store(5)
        folder.archive.withdrawals.flush()
    (before,) = folder.archive.index.database.execute_sql(
        "SELECT digest, file_bytes, arrived FROM instance WHERE SOPInstanceUID = '1.3.1'"
    ).fetchall()
    rebuild(folder.data, CHARSET)
    assert len(stretches) > 5
    assert damage(folder.archive) == []
    (after,) = folder.archive.index.engine.execute(
        "SELECT digest, file_bytes, arrived FROM instance WHERE SOPInstanceUID = '1.3.1'", ()
    )
    assert after == before


@pytest.fixture
def looked_for(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many instances each time all receipts of their studies were read."""
    found, look = list[int](), filling.receipts_by_digest
    monkeypatch.setattr(
        filling, "receipts_by_digest", lambda journal, wanted: found.append(len(wanted))
        or look(journal, wanted),
    )  # fmt: skip
    return found


def test_receipts_of_a_study_that_was_deleted_and_came_back_are_read_a_few_times(
    folder: Folder, stretches: list[tuple[int, int]], looked_for: list[int]
) -> None:
    """Not for each piece of the journal: that took as long as all else, of a large study."""
    folder.store(12)
    study = Selection(Level.STUDY, STUDY)
    list(deletion.delete(folder.archive, selected(folder.archive, study)))
    files = deletion.restorable(folder.archive, study, CHARSET)
    list(deletion.restore(folder.archive, files, CHARSET))
    assert rebuild(folder.data, CHARSET) == 12
    assert len(stretches) > 5
    assert looked_for == [12]
    assert damage(folder.archive) == []


@pytest.mark.parametrize("often", [1, 3, 99])
def test_nobody_waits_until_the_receipts_of_what_was_replaced_are_read(
    folder: Folder, looked_for: list[int], monkeypatch: pytest.MonkeyPatch, often: int
) -> None:
    """Where something is replaced just then; each time, they wait in the end."""
    locked, tries, under_lock = type(folder.archive.tree).all_locked, list[int](), list[int]()

    @contextmanager
    def late(tree: Any) -> Iterator[None]:
        tries.append(len(looked_for))
        if len(tries) <= often:
            folder.put("1", f"Other^{len(tries)}")
        before = len(looked_for)
        with locked(tree):
            yield
        under_lock.append(len(looked_for) - before)

    monkeypatch.setattr(type(folder.archive.tree), "all_locked", late)
    monkeypatch.setattr(rebuilding, "_ROUNDS", 5)
    folder.store(3)
    assert rebuild(folder.data, CHARSET) == 3
    last = 1 if often == 99 else 0
    assert under_lock == [*[0] * (len(tries) - 1), last]
    assert len(tries) == min(often, 6) + 1
    assert damage(folder.archive) == []


def _refused(*given: Any) -> None:
    raise ResourceError("The index cannot be written: test")


def test_what_was_deleted_meanwhile_is_not_in_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete() -> None:
        chosen = selected(folder.archive, Selection(Level.IMAGE, "1.3.2"))
        assert len(list(deletion.delete(folder.archive, chosen))) == 1

    folder.store(3)
    meanwhile(monkeypatch, delete)
    assert rebuild(folder.data, CHARSET) == 2
    assert damage(folder.archive) == []


def test_what_cannot_be_read_is_told_once(
    folder: Folder, stretches: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    folder.store(9)
    folder.archive.tree.path((STUDY, SERIES, "1.3.4")).write_bytes(b"no DICOM")
    with caplog.at_level(logging.ERROR):
        assert rebuild(folder.data, CHARSET) == 8
    (record,) = caplog.records
    assert "not indexed" in record.getMessage()


def told_by_index(folder: Folder) -> None:
    """A value that only the index that is there now tells."""
    with closing(sqlite3.connect(folder.data / "index.sqlite")) as connection:
        connection.execute("UPDATE patient SET PatientName = 'told by the index'")
        connection.commit()


def test_who_has_the_index_open_sees_the_new_one_and_writes_to_it(folder: Folder) -> None:
    folder.store(3)
    told_by_index(folder)
    assert folder.names() == ["told by the index"]
    with folder.archive.index.engine.connected():
        rebuild(folder.data, CHARSET)
        assert folder.names() == ["Doe^Jane"]
        rebuild(folder.data, CHARSET)
        folder.store(2)  # before anything else looks at it
    assert damage(folder.archive) == []
    assert rebuild(folder.data, CHARSET) == 5
    link = folder.data / "index.sqlite"
    assert folder.index_files() == ["index.sqlite", link.readlink().name]


def test_nobody_who_stores_gives_back_the_room_of_the_index_before(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last descriptor of a large file that takes long: another thread has that."""
    folder.store(3)
    held, close = (folder.data / "index.sqlite").stat(), os.close
    seen = list[tuple[str, int]]()

    def closed(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), held) and (count := descriptors(held)):
            seen.append((threading.current_thread().name, count))
        close(descriptor)

    with folder.archive.index.engine.connected():
        assert folder.names()
        rebuild(folder.data, CHARSET)
        join_closing_threads()
        assert descriptors(held)
        monkeypatch.setattr(os, "close", closed)
        folder.store()
        join_closing_threads()
    assert seen == [("replaced index", 1)]  # SQLite has closed it before
    assert not descriptors(held)


def join_closing_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "replaced index":
            thread.join()


def descriptors(held: os.stat_result) -> int:
    """How many of an index that was replaced this process has; another file may get its number."""
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            is_replaced = path.readlink().name.endswith(" (deleted)")
            count += is_replaced and os.path.samestat(path.stat(), held)
    return count


def test_answers_that_are_under_way_are_those_of_one_index(folder: Folder) -> None:
    folder.store(3)
    engine = folder.archive.index.engine
    rows = engine.stream("SELECT id FROM instance ORDER BY id", ())
    assert next(rows)
    told_by_index(folder)
    rebuild(folder.data, CHARSET)
    statement = "SELECT PatientName FROM patient"
    assert engine.execute(statement, ()) == [("Doe^Jane",)]  # as it was when the first was read
    with pytest.raises(ResourceError, match="made anew meanwhile"):
        folder.store()
    assert len(list(rows)) == 2
    assert engine.execute(statement, ()) == [("Doe^Jane",)]
    folder.archive.withdrawals.flush()
    folder.store()
    assert damage(folder.archive) == []


def test_a_row_that_waits_for_its_turn_goes_to_the_new_index(folder: Folder) -> None:
    """Who waits has the connection already, to a file that is another's by then."""
    folder.store(2)
    with ThreadPoolExecutor(1) as threads, replacing.writers_held(folder.data / "index.sqlite"):
        waiting = threads.submit(folder.store)
        while not Path(folder.data / "tree" / STUDY / SERIES / "1.3.3.dcm").exists():
            pass
        fresh = folder.data / "index.new"
        with (
            closing(sqlite3.connect(folder.data / "index.sqlite")) as held,
            closing(sqlite3.connect(fresh)) as copy,
        ):
            held.backup(copy)
        replacing.put_in_place(fresh, folder.data / "index.sqlite")
        inode = (folder.data / "index.sqlite").stat().st_ino
    waiting.result()
    assert (folder.data / "index.sqlite").stat().st_ino == inode
    assert damage(folder.archive) == []


def test_where_there_are_no_symbolic_links_the_file_stays(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refused)
    folder.store(3)
    told_by_index(folder)
    held = (folder.data / "index.sqlite").stat().st_ino
    assert rebuild(folder.data, CHARSET) == 3
    assert folder.names() == ["Doe^Jane"]
    assert (folder.data / "index.sqlite").stat().st_ino == held
    assert folder.index_files() == ["index.sqlite"]


# What takes the place of an index calls, in its order, and whether the new one is there by then.
STEPS = [
    ("storage.index.engines.sqlite.replacing.os.rename", 1, "before", False),
    ("storage.index.engines.sqlite.replacing.os.rename", 1, "after", False),
    ("storage.index.engines.sqlite.replacing.Path.symlink_to", 1, "before", False),
    ("storage.index.engines.sqlite.replacing.Path.symlink_to", 1, "after", False),
    ("storage.index.engines.sqlite.replacing.os.rename", 2, "before", False),
    ("storage.index.engines.sqlite.replacing.os.rename", 2, "after", True),
    ("storage.maintenance.recovery.rebuilding.remove_replaced", 2, "before", True),
    ("storage.maintenance.recovery.rebuilding.settle_index", 1, "before", True),
]


@pytest.mark.parametrize("first", [True, False], ids=["a file", "a link"])
@pytest.mark.parametrize(
    ("step", "number", "when", "is_new"), STEPS, ids=[f"{w} {n} {s}" for s, n, w, _ in STEPS]
)
def test_a_kill_leaves_the_one_index_or_the_other(
    folder: Folder, step: str, number: int, when: str, is_new: bool, first: bool
) -> None:
    folder.store(3)
    if not first:
        rebuild(folder.data, CHARSET)
    told_by_index(folder)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, step, number, when)
        with pytest.raises(Killed):
            rebuild(folder.data, CHARSET)
    assert folder.names() == (["Doe^Jane"] if is_new else ["told by the index"])
    folder.store(2)
    assert rebuild(folder.data, CHARSET) == 5
    assert folder.names() == ["Doe^Jane"]
    assert damage(folder.archive) == []
    link = folder.data / "index.sqlite"
    assert folder.index_files() == ["index.sqlite", link.readlink().name]


def kill_at(patch: pytest.MonkeyPatch, step: str, number: int, when: str) -> None:
    owner, name = step.rsplit(".", 1)
    import pkgutil

    whole, left = getattr(pkgutil.resolve_name(owner), name), [number]

    def killed(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0]:
            return whole(*given, **named)
        if when == "after":
            whole(*given, **named)
        raise Killed

    patch.setattr(step, killed)


def cut_off(folder: Folder, pieces: int) -> None:
    """A rebuild that is killed when so many pieces are in the new index."""
    enter, left = Filling._enter, [pieces]

    def entered(made: Filling, *given: Any) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        enter(made, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Filling, "_enter", entered)
        with pytest.raises(Killed):
            rebuild(folder.data, CHARSET)


def test_what_was_cut_off_is_gone_on_with(
    folder: Folder, stretches: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    folder.store(12)
    cut_off(folder, 4)
    (folder.data / "tree" / STUDY / SERIES / "1.3.11.dcm").write_bytes(b"no DICOM")
    folder.put("1", "Other^Name")
    entity = Level.STUDY, STUDY
    correct(folder.archive.tree, entity, {"StudyDescription": "NEW"}, user="me", before={})
    stopped = stretches[3][1]
    stretches.clear()
    with caplog.at_level(logging.INFO):
        assert rebuild(folder.data, CHARSET) == 11
    assert "the making of the index is gone on with" in caplog.text
    assert stretches[0][0] == stopped > 0
    with folder.archive.index.engine.connected():
        found = folder.archive.index.engine.execute("SELECT StudyDescription FROM study", ())
        assert found == [("NEW",)]
    assert [fault.uids[2] for fault in damage(folder.archive)] == ["1.3.11"]


def other_charset(folder: Folder) -> str:
    return "ISO_IR 101"


def other_journal(folder: Folder) -> str:
    receipts = folder.data / "journal" / "receipts.jsonl"
    held = receipts.read_bytes()
    receipts.write_bytes(held.replace(b'"at":"2', b'"at":"3', 1))
    return CHARSET


def other_tables(folder: Folder) -> str:
    with closing(sqlite3.connect(folder.data / "index.new")) as made:
        made.execute("UPDATE making SET signature = 1")
        made.commit()
    return CHARSET


def damaged(folder: Folder) -> str:
    made = folder.data / "index.new"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    held = made.read_bytes()
    made.write_bytes(held[:4096] + b"x" * 4096 + held[8192:])
    return CHARSET


@pytest.mark.parametrize("changed", [other_charset, other_journal, other_tables, damaged])
def test_what_was_cut_off_is_begun_anew_where_it_is_of_something_else(
    folder: Folder, stretches: list[tuple[int, int]], changed: Callable[[Folder], str]
) -> None:
    folder.store(12)
    cut_off(folder, 4)
    charset = changed(folder)
    stretches.clear()
    assert rebuild(folder.data, charset) == 12
    assert stretches[0][0] == 0
    assert not (folder.data / "index.new").exists()


def test_what_was_cut_off_takes_no_room_on_a_full_disk(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.store(3)
    monkeypatch.setattr(Filling, "fill", _refused)
    for room, is_kept in ((1 << 40, True), (1 << 10, False)):
        monkeypatch.setattr(type(folder.archive.tree), "free_bytes", lambda tree, room=room: room)
        with suppress(ResourceError):
            rebuild(folder.data, CHARSET)
        assert (folder.data / "index.new").exists() == is_kept


def test_corrections_made_meanwhile_are_in_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corrected() -> None:
        entity = Level.STUDY, STUDY
        correct(folder.archive.tree, entity, {"StudyDescription": "NEW"}, user="me", before={})

    folder.store(2)
    meanwhile(monkeypatch, corrected)
    rebuild(folder.data, CHARSET)
    engine = folder.archive.index.engine
    assert engine.execute("SELECT StudyDescription FROM study", ()) == [("NEW",)]
    mark = engine.marked(CORRECTIONS)
    assert mark
    assert mark.position == FolderJournal(folder.data, sync=False).size(CORRECTIONS)
