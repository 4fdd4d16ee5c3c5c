"""The bytes of the log: what was torn, taken back, or of an earlier use is no entry."""

import io
import random
from hashlib import sha256
from pathlib import Path

import pytest

from storage.archive.receiving.log.entries import (
    BLOCK_BYTES,
    EPOCH_BYTES,
    ERASED,
    Entry,
    LoggedEntry,
    entries_in,
)
from storage.archive.receiving.log.segment import epoch_of, made_in
from storage.dicom.values.uids import Uids
from storage.journal import line_of

EPOCH, OTHER = b"a" * EPOCH_BYTES, b"b" * EPOCH_BYTES


def entry(number: int, size: int = 5_000) -> Entry:
    uids: Uids = ("1.1", "1.2", f"1.3.{number}")
    data = random.Random(number).randbytes(size)
    receipt = line_of({"uids": uids, "digest": sha256(data).hexdigest()})
    return Entry(uids, 7, receipt, b"head" * 80, data)


def written(*entries: Entry, epoch: bytes = EPOCH) -> bytearray:
    """A segment without its first block, and some room behind."""
    held = bytearray()
    for one in entries:
        number = int(one.uids[2].rpartition(".")[2])
        part = b"".join(one.parts(epoch, number))
        held += part + bytes(one.size - len(part))
    return held + bytes(2 * BLOCK_BYTES)


def found(held: bytes, epoch: bytes = EPOCH) -> list[LoggedEntry]:
    return list(entries_in(io.BytesIO(held), epoch, 0))


def numbers(held: bytes, epoch: bytes = EPOCH) -> list[int]:
    return [one.position for one in found(held, epoch)]


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 3 * BLOCK_BYTES, 100_001])
def test_an_entry_is_read_as_it_was_written(size: int) -> None:
    one = entry(1, size)
    held = written(one)
    (back,) = found(held)
    assert back.file_bytes(io.BytesIO(held)) == (one.head, one.data_set)
    assert (back.uids, back.position, back.arrived, back.receipt) == (
        one.uids, 1, one.arrived, one.receipt,
    )  # fmt: skip


def test_entries_of_an_earlier_use_are_none() -> None:
    held = written(entry(1), entry(2))
    assert numbers(held) == [1, 2]
    assert numbers(held, OTHER) == []
    shorter = written(entry(3, 10))[:BLOCK_BYTES]
    assert numbers(shorter + held[BLOCK_BYTES:]) == [3, 2]


@pytest.mark.parametrize("at", [0, 8, 24, 30, 44, 50, 60, 200, 400, 700, 2_000, 5_000])
def test_a_torn_entry_is_none_and_hides_no_other(at: int) -> None:
    held = written(entry(1), entry(2), entry(3))
    size = entry(2).size
    held[size + at] ^= 0xFF
    assert numbers(held) == [1, 3]


@pytest.mark.parametrize("sectors", [0, 1, 7, 8, 9])
def test_an_entry_of_which_only_some_sectors_came_is_none(sectors: int) -> None:
    held = written(entry(1), entry(2), entry(3))
    size = entry(2).size
    held[size + sectors * 512 : 2 * size] = bytes(size - sectors * 512)
    assert numbers(held) == [1, 3]


def test_an_entry_that_was_taken_back_is_none() -> None:
    held = written(entry(1), entry(2))
    held[: len(ERASED)] = ERASED
    assert numbers(held) == [2]


def test_an_entry_within_a_data_set_is_none() -> None:
    """Of another epoch: those are not to be guessed."""
    inner = entry(2)
    data = bytes(written(inner, epoch=OTHER))
    receipt = line_of({"uids": inner.uids, "digest": sha256(data).hexdigest()})
    outer = written(Entry(inner.uids, 7, receipt, b"", data))
    outer[:1] = b"x"
    assert numbers(outer) == []


def test_a_segment_whose_first_block_is_torn_holds_nothing(tmp_path: Path) -> None:
    segment = made_in(tmp_path / "log", 1, 1 << 20)
    segment.write(entry(1), 1, BLOCK_BYTES)
    segment.close()
    with segment.path.open("r+b") as file:
        assert list(entries_in(file, epoch_of(file), BLOCK_BYTES))
        for at in (0, 9, 25):
            file.seek(at)
            before = file.read(1)
            file.seek(at)
            file.write(bytes([before[0] ^ 0xFF]))
            assert epoch_of(file) == b""
            file.seek(at)
            file.write(before)
        assert epoch_of(file)


def test_what_is_used_anew_holds_nothing_of_before(tmp_path: Path) -> None:
    segment = made_in(tmp_path / "log", 1, 1 << 20)
    segment.write(entry(1), 1, BLOCK_BYTES)
    segment.begin()
    segment.write(entry(2, 10), 2, BLOCK_BYTES)
    segment.close()
    with segment.path.open("rb") as file:
        assert [e.position for e in entries_in(file, epoch_of(file), BLOCK_BYTES)] == [2]
