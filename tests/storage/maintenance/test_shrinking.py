"""The index's file gives back what held rows that are gone, while others store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, encoded

from storage import Archive, Received, prepare
from storage.index.engines.sqlite import shrinking
from storage.index.engines.sqlite.database import connect, execute, index_path
from storage.index.writer import forget
from storage.maintenance.check import check

CHARSET = "ISO_IR 100"
COUNT = 400


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Of which nine tenths are gone."""
    monkeypatch.setattr(shrinking, "_LEAST_BYTES", 1)
    monkeypatch.setattr(shrinking, "_STEP_SECONDS", 0.001)
    data = tmp_path / "data"
    prepare(data, sync=False, charset=CHARSET)
    held = Archive(data, sync=False)
    for number in range(COUNT):
        store(held, number)
    assert not shrinking.is_loose(index_path(data))
    for number in range(COUNT):
        if number % 10:
            uids = uids_of(number)
            (data / "tree").joinpath(*uids[:2], f"{uids[2]}.dcm").unlink()
            forget(held.index, uids)
    held.close_thread()
    yield held
    held.index.database.close_all()


def uids_of(number: int) -> tuple[str, str, str]:
    return "1.1", f"1.2.{number // 100}", f"1.3.{number}"


def store(archive: Archive, number: int) -> None:
    uids = uids_of(number)
    archive.store(Received(CT, uids[2], EXPLICIT, encoded(ct(*uids)), CHARSET))


def pages(archive: Archive) -> int:
    database = connect(index_path(archive.tree.data), sync=False)
    with database.connection_context():
        return int(execute(database, "PRAGMA page_count", ())[0][0])


def test_it_is_given_back_beside_stores(archive: Archive) -> None:
    path, before = index_path(archive.tree.data), pages(archive)
    assert shrinking.is_loose(path)
    stored = threading.Event()

    def storing() -> None:
        for number in range(COUNT, COUNT + 30):
            store(archive, number)
        stored.set()
        archive.close_thread()

    beside = threading.Thread(target=storing)
    beside.start()
    freed = shrinking.shrink(path)
    beside.join()
    assert stored.is_set()
    assert freed > 0
    assert pages(archive) < before * 0.75
    assert not shrinking.is_loose(path)
    lost = [fault for fault in check(archive, CHARSET) if fault.kind.code != "lost"]
    assert lost == []


def test_of_an_index_that_cannot_nothing_is_asked(archive: Archive) -> None:
    path = index_path(archive.tree.data)
    database = connect(path, sync=False)
    with database.connection_context():
        execute(database, "PRAGMA auto_vacuum = none", ())
        execute(database, "VACUUM", ())
        execute(database, "DELETE FROM instance", ())
        ((free,),) = execute(database, "PRAGMA freelist_count", ())
    assert free > 0
    assert not shrinking.is_loose(path)
