"""Selections of any number of instances: of one state of the index, and read by pages."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import OperationalError as PeeweeOperationalError
from support import CT, EXPLICIT, ct, encoded

from storage import Archive, Received, prepare
from storage.archive import Selected, selected
from storage.diagnostics import ResourceError
from storage.dicom.values import Level
from storage.index import forget, pages, search

COUNT, PAGE = 20, 6


@pytest.fixture
def archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place_archive: Callable[[Path], None]
) -> Iterator[Archive]:
    monkeypatch.setattr(selected, "_PAGE", PAGE)
    place_archive(tmp_path)
    prepare(tmp_path, sync=False, charset="ISO_IR 100")
    archive = Archive(tmp_path, sync=False)
    for number in reversed(range(COUNT)):
        store(archive, number)
    yield archive
    for thread in reading():  # whose connection must not be closed while it uses it
        thread.join(60)
    archive.close_thread()


def store(archive: Archive, number: int, **values: Any) -> None:
    data = encoded(ct("1.1", f"1.2.{number % 2}", f"1.3.{number}", **values))
    archive.store(Received(CT, f"1.3.{number}", EXPLICIT, data, "ISO_IR 100"))


def of_study(archive: Archive) -> Selected:
    return Selected(archive.index, search.having(archive.index, Level.STUDY, "1.1"))


class Held:
    """Keeps all pages but the first from being read until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, real = threading.Event(), pages.locations
        self.rows: list[int] = []

        def locations(index: Any, rows: Any) -> Any:
            if self.rows:
                assert self.go.wait(60)
            self.rows += rows
            return real(index, rows)

        monkeypatch.setattr(pages, "locations", locations)


def reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "selected"]


def test_all_are_there_as_they_arrived(archive: Archive) -> None:
    expected = search.by_uid(archive.index, Level.STUDY, "1.1")
    with of_study(archive) as found:
        assert len(found) == COUNT
        assert list(found) == expected
        assert (found[0], found[PAGE], found[-1]) == (expected[0], expected[PAGE], expected[-1])
        assert found[PAGE - 1 : PAGE + 2] == expected[PAGE - 1 : PAGE + 2]
        assert found.kinds == [(CT, EXPLICIT)]
        assert found.studies == ["1.1"]
        with pytest.raises(IndexError):
            found[COUNT]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1])
def test_any_number_is_selected(archive: Archive, count: int) -> None:
    for one in search.by_uid(archive.index, Level.STUDY, "1.1")[count:]:
        forget(archive.index, one.uids)
    with of_study(archive) as found:
        assert len(found) == len(list(found)) == count
        assert bool(found.kinds) == bool(count)


def test_what_comes_goes_and_changes_meanwhile_is_not_seen(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that go give their ids back, for others to have."""
    expected = search.by_uid(archive.index, Level.STUDY, "1.1")
    held = Held(monkeypatch)
    with of_study(archive) as found:
        first = found[:PAGE]
        forget(archive.index, expected[-1].uids)
        forget(archive.index, expected[PAGE].uids)
        for number in (COUNT, 3, 0):
            store(archive, number, StudyDescription="new")
        held.go.set()
        assert first == expected[:PAGE]
        assert len(found) == COUNT
        assert list(found) == expected


def test_the_first_page_is_there_before_the_rest_is_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with of_study(archive) as found:
        assert len(found) == COUNT
        assert [found[number].uids[2] for number in range(PAGE)]
        assert len(held.rows) == PAGE
        held.go.set()
        assert len(list(found)) == COUNT


def test_a_selection_that_is_closed_reads_no_more(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with of_study(archive) as found:
        assert found[0]
    held.go.set()
    for thread in reading():
        thread.join(60)
    assert len(held.rows) <= 2 * PAGE
    with pytest.raises(ResourceError):
        found[COUNT - 1]


@pytest.mark.parametrize("page", [0, 1])
def test_an_index_that_cannot_be_read_is_told(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Before there is a selection, or to who takes what could not be read."""
    real, calls = pages.locations, []

    def locations(index: Any, rows: Any) -> Any:
        calls.append(rows)
        if len(calls) > page:
            raise PeeweeOperationalError("disk I/O error")
        return real(index, rows)

    monkeypatch.setattr(pages, "locations", locations)
    words = "The index cannot be read: disk I/O error"
    if page == 0:
        with pytest.raises(ResourceError, match=words):
            of_study(archive)
        return
    with of_study(archive) as found:
        taken = iter(found)
        assert [next(taken).uids for _ in range(PAGE)]
        with pytest.raises(ResourceError, match=words):
            next(taken)
