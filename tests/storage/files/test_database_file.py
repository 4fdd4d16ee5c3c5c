"""A SQLite file that is damaged is made anew; one that a disk or a system does not give is kept."""

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from peewee import SqliteDatabase

from storage import prepare
from storage.diagnostics.errors import FolderError, ResourceError
from storage.files.disk import database_file
from storage.files.disk.database_file import damage_found, is_damage, require_sound, sqlite_words
from storage.index.engines.sqlite import high_water
from storage.index.engines.sqlite.engine import SqliteEngine
from storage.journal import FolderJournal
from storage.journal.catalogue import Unavailable, faults_told
from storage.maintenance.recovery.startup import fault_of_index
from storage.outbox import database, queue_file

CHARSET = "ISO_IR 100"
# Result codes (sqlite.org/rescode.html) -> the class that Python makes of them.
OF_DISK_OR_SYSTEM = {
    "SQLITE_IOERR": sqlite3.OperationalError,
    "SQLITE_IOERR_READ": sqlite3.OperationalError,
    "SQLITE_IOERR_CORRUPTFS": sqlite3.OperationalError,
    "SQLITE_FULL": sqlite3.OperationalError,
    "SQLITE_CANTOPEN": sqlite3.OperationalError,
    "SQLITE_READONLY": sqlite3.OperationalError,
    "SQLITE_READONLY_CANTINIT": sqlite3.OperationalError,
    "SQLITE_PERM": sqlite3.OperationalError,
    "SQLITE_BUSY": sqlite3.OperationalError,
    "SQLITE_LOCKED": sqlite3.OperationalError,
    "SQLITE_PROTOCOL": sqlite3.OperationalError,
    "SQLITE_ERROR": sqlite3.OperationalError,
    "SQLITE_AUTH": sqlite3.DatabaseError,
    "SQLITE_NOLFS": sqlite3.DatabaseError,
}
OF_DAMAGE = {
    "SQLITE_CORRUPT": sqlite3.DatabaseError,
    "SQLITE_CORRUPT_INDEX": sqlite3.DatabaseError,
    "SQLITE_NOTADB": sqlite3.DatabaseError,
}


def error_of(name: str) -> sqlite3.Error:
    made: sqlite3.Error = (OF_DISK_OR_SYSTEM | OF_DAMAGE)[name](f"words of {name}")
    made.sqlite_errorcode = getattr(sqlite3, name)
    return made


def raising(error: BaseException) -> Callable[..., str]:
    def fail(*given: object) -> str:
        raise error

    return fail


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an index, and a queue."""
    made, copied = tmp_path / "made", tmp_path / "copied"
    prepare(made, sync=False, charset=CHARSET)
    database.prepare(made, sync=False)
    shutil.copytree(made, copied)  # a start claims a folder until the process ends
    return copied


def contents(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data.glob("*.sqlite")}


@pytest.mark.parametrize("name", [*OF_DISK_OR_SYSTEM, *OF_DAMAGE])
def test_two_codes_are_damage_and_all_others_are_not(name: str) -> None:
    assert is_damage(error_of(name)) == (name in OF_DAMAGE)


def test_what_peewee_raises_is_judged_by_what_sqlite_has(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    for path, expected in ((tmp_path / "garbage", True), (tmp_path, False)):
        with pytest.raises(Exception, match=r"not a database|unable to open") as told:
            SqliteDatabase(str(path), pragmas={"journal_mode": "wal"}).connect()
        assert is_damage(told.value) == expected


@pytest.mark.parametrize(("found", "kind"), [
    ("*** in database main ***\nPage 38: unable to get the page. error code=8458",
     sqlite3.OperationalError),
    ("Page 3: btreeInitPage() returns error code 11", sqlite3.DatabaseError),
    ("Tree 2 page 3: free space corruption", sqlite3.DatabaseError),
])  # fmt: skip
def test_a_page_that_cannot_be_read_is_no_damaged_one(
    found: str, kind: type[sqlite3.Error]
) -> None:
    with pytest.raises(sqlite3.Error) as told:
        require_sound(found)
    assert type(told.value) is kind
    assert is_damage(told.value) == (kind is sqlite3.DatabaseError)
    require_sound("ok")


def test_what_is_called_malformed_may_be_the_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite turns EIO into SQLITE_CORRUPT: the file is read, and looked at again."""
    looks = Mock(side_effect=[error_of("SQLITE_CORRUPT"), "of another version"])
    with monkeypatch.context() as patch:
        patch.setattr(database_file, "require_readable", raising(OSError(errno.EIO, "no")))
        with pytest.raises(OSError, match="no"):
            damage_found(tmp_path, raising(error_of("SQLITE_CORRUPT")))
    monkeypatch.setattr(database_file, "require_readable", lambda path: None)
    assert damage_found(tmp_path, looks) == "of another version"
    assert sqlite_words(error_of("SQLITE_CORRUPT")) == "it is damaged, or its disk fails"
    assert sqlite_words(error_of("SQLITE_FULL")) == "words of SQLITE_FULL"


@pytest.mark.parametrize("name", [*OF_DISK_OR_SYSTEM, "EIO"])
def test_an_index_and_a_queue_that_cannot_be_read_are_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = contents(data)
    error = error_of("SQLITE_CORRUPT" if name == "EIO" else name)
    if name == "EIO":
        monkeypatch.setattr(
            database_file, "require_readable", raising(OSError(errno.EIO, "words of EIO"))
        )
    monkeypatch.setattr(SqliteEngine, "require_sound", raising(error))
    monkeypatch.setattr(queue_file, "require_sound", raising(error))
    with pytest.raises(FolderError, match=rf"index.sqlite: cannot be read: words of {name}; mend"):
        prepare(data, sync=False, charset=CHARSET)
    with pytest.raises(ResourceError, match=f"The forwarding queue: words of {name}"):
        database.prepare(data, sync=False)
    assert contents(data) == before


@pytest.mark.parametrize("name", OF_DAMAGE)
def test_an_index_and_a_queue_that_are_damaged_are_told_to_be(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr(SqliteEngine, "require_sound", raising(error_of(name)))
    monkeypatch.setattr(queue_file, "require_sound", raising(error_of(name)))
    told = fault_of_index(data / "index.sqlite", look_through=True)
    assert told == f"damaged: words of {name}"
    database.prepare(data, sync=False)
    assert f"forwarding queue damaged: words of {name}, kept as forward.damaged" in caplog.text


@pytest.mark.parametrize("name", ["SQLITE_IOERR_READ", "SQLITE_BUSY", "SQLITE_CANTOPEN"])
def test_a_mark_that_cannot_be_read_is_no_missing_one(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = contents(data)
    monkeypatch.setattr(high_water, "_read_of", raising(error_of(name)))
    with pytest.raises(ResourceError, match=f"The index cannot be read: words of {name}"):
        high_water.applied(data, "receipts")
    with pytest.raises(FolderError, match=f"cannot be read: words of {name}"):
        fault_of_index(data / "index.sqlite", look_through=False, is_start=True)
    assert contents(data) == before


def test_a_journal_that_cannot_be_read_is_not_the_indexs_fault(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderJournal, "tail", raising(OSError(errno.EIO, "words of EIO")))
    with pytest.raises(ResourceError, match="The journal cannot be read: words of EIO"):
        fault_of_index(data / "index.sqlite", look_through=False, is_start=True)


def test_an_index_that_cannot_be_opened_is_told_and_left(data: Path) -> None:
    for path in data.glob("index.sqlite*"):
        path.unlink()
    (data / "index.sqlite").mkdir()
    with pytest.raises(FolderError, match="cannot be read: unable to open database file; mend"):
        fault_of_index(data / "index.sqlite", look_through=False, is_start=True)
    assert (data / "index.sqlite").is_dir()


@pytest.mark.parametrize("name", [*OF_DISK_OR_SYSTEM, *OF_DAMAGE])
def test_a_catalogue_that_cannot_be_read_is_kept_and_a_damaged_one_made_anew(
    data: Path, name: str
) -> None:
    path = FolderJournal(data, sync=False).folder / "catalogue.sqlite"
    path.write_bytes(b"what is there")
    with pytest.raises(Unavailable, match=r"catalogue.sqlite: "), faults_told(path):
        raise error_of(name)
    is_kept = OF_DISK_OR_SYSTEM.get(name) is sqlite3.OperationalError
    assert path.exists() == is_kept
