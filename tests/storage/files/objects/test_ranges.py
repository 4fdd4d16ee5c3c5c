"""An object read by ranges: which are asked for, and what a failure of one does."""

from concurrent.futures import Executor, Future
from random import Random
from typing import Any

import pytest

from storage.files.digests import FileStatus, status_of
from storage.files.objects.ranges import FIRST_BYTES, MOST_BYTES, ObjectFile
from storage.files.objects.store_faults import StoreError

DATA = Random(1).randbytes(20 << 20)


class AtOnce(Executor):
    """Does what is to be done beside when it is asked for."""

    def submit(self, fn: Any, /, *given: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*given, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Asked:
    """An object, and the ranges that were asked for."""

    def __init__(self, size: int = len(DATA), ahead: bool = True) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.fails = False
        beginning = memoryview(DATA)[: min(FIRST_BYTES, size)]
        executor = AtOnce() if ahead else None
        self.file = ObjectFile(FileStatus(size, 7), beginning, self._read, executor)

    def _read(self, start: int, end: int) -> memoryview:
        self.ranges.append((start, end))
        if self.fails:
            raise StoreError("The object store is busy")
        return memoryview(DATA)[start:end]


def test_who_reads_a_beginning_asks_for_no_more() -> None:
    asked = Asked()
    assert asked.file.read(FIRST_BYTES // 4) == DATA[: FIRST_BYTES // 4]
    assert status_of(asked.file) == FileStatus(len(DATA), 7)
    assert asked.ranges == []


@pytest.mark.parametrize("ahead", [False, True])
def test_who_reads_on_gets_larger_ranges_and_each_byte_once(ahead: bool) -> None:
    asked = Asked(ahead=ahead)
    assert b"".join(iter(lambda: asked.file.read(64 << 10), b"")) == DATA
    assert [start for start, _ in asked.ranges] == [
        FIRST_BYTES, *(end for _, end in asked.ranges[:-1])
    ]  # fmt: skip
    assert asked.ranges[-1][1] == len(DATA)
    sizes = [end - start for start, end in asked.ranges[:-1]]
    assert sizes == sorted(sizes)
    assert max(sizes) == MOST_BYTES


def test_who_reads_on_has_the_next_range_on_its_way() -> None:
    asked = Asked()
    asked.file.read(FIRST_BYTES // 2 + 1)
    assert asked.ranges == [(FIRST_BYTES, 3 * FIRST_BYTES)]


def test_who_goes_elsewhere_gets_a_small_range_there() -> None:
    asked = Asked()
    asked.file.seek(10 << 20)
    assert asked.file.read(10) == DATA[10 << 20 :][:10]
    assert asked.ranges == [(10 << 20, (10 << 20) + FIRST_BYTES)]


def test_the_length_is_known_without_a_question() -> None:
    asked = Asked()
    assert asked.file.seek(0, 2) == len(DATA)
    assert asked.ranges == []


@pytest.mark.parametrize("size", [1, FIRST_BYTES - 1, FIRST_BYTES])
def test_a_small_object_is_read_at_once(size: int) -> None:
    asked = Asked(size)
    assert asked.file.read() == DATA[:size]
    assert asked.ranges == []


@pytest.mark.parametrize("ahead", [False, True])
def test_a_range_that_fails_fails_the_read_and_may_be_had_again(ahead: bool) -> None:
    asked = Asked(ahead=ahead)
    asked.fails = True
    with pytest.raises(OSError, match="busy"):
        asked.file.read()
    asked.fails = False
    asked.file.seek(0)
    assert asked.file.read() == DATA


def test_a_closed_file_is_read_no_more() -> None:
    asked = Asked()
    asked.file.close()
    with pytest.raises(ValueError, match="closed"):
        asked.file.read(1)
