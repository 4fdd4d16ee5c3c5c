"""What is read at most of a data set that a stranger has made: one budget, whoever reads it.

A few bytes can ask for any amount of work: 8 make an empty item, and 1,000 of these deflate to 8
bytes. So elements, items, values and seconds are counted, and not the bytes on the wire alone.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, NoReturn

from storage.diagnostics import ArchiveError, BudgetError, unreadable

# Deeper than any IOD nests.
MAX_DEPTH = 64
# Whatever lies in so few bytes is read soon: it is not counted.
SMALL_BYTES = 4096
# So many elements and items are read between two looks at the clock and at the peer.
_LOOK_EVERY = 512
# An ordinary header has fewer heads, and should not be slower for being counted.
_FREE_READS = 256
_ITEM_HEADS = frozenset({b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"})
_CHARACTER_SET_HEADS = frozenset({b"\x08\x00\x05\x00", b"\x00\x08\x00\x05"})
_HEAD_BYTES = 8
# So many times the longest value are read: it may lie in a sequence, in a sequence.
_TIMES = 3
# Bytes of a value of these; those of others are text, with a backslash between them.
_NUMBER_BYTES = {
    "AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8,
}  # fmt: skip
# Of UIDs there are as many as a retrieve names; what else is text is a person's.
_NOT_PROSE = frozenset({"UI"})


def too_deep() -> BudgetError:
    """What is raised for sequences that nest deeper than they are read."""
    return BudgetError(f"Sequences nested too deep: {MAX_DEPTH} levels are read")


@dataclass(frozen=True)
class ReadLimits:
    """What is read at most of one data set; `seconds` are of one processor."""

    elements: int
    items: int
    values: int
    text_bytes: int
    value_bytes: int
    seconds: float


# Of an identifier, and of what else comes in a message and is held in memory.
MESSAGE = ReadLimits(
    elements=20_000, items=10_000, values=200_000, text_bytes=1 << 20,
    value_bytes=16 << 20, seconds=3.0,
)  # fmt: skip
# Of an instance: what the index or a query wants of it. The rest is passed over.
STORED = ReadLimits(
    elements=20_000, items=10_000, values=200_000, text_bytes=1 << 20,
    value_bytes=4 << 20, seconds=3.0,
)  # fmt: skip
# Of a DICOMDIR: a record and its elements for each of a medium's files.
DIRECTORY = ReadLimits(
    elements=10_000_000, items=300_000, values=10_000_000, text_bytes=1 << 30,
    value_bytes=1 << 30, seconds=60.0,
)  # fmt: skip
# Of an instance that is read by a command, or rewritten, as a whole.
WHOLE = ReadLimits(
    elements=2_000_000, items=1_000_000, values=10_000_000, text_bytes=64 << 20,
    value_bytes=1 << 31, seconds=20.0,
)  # fmt: skip


class _Heeded(threading.local):
    """What a thread asks, now and then, whether it should go on."""

    stop: Callable[[], object] | None = None


_heeded = _Heeded()


class heeding:
    """Within it, whoever reads in this thread calls `stop` now and then, which may raise."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        _heeded.stop = self._stop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        _heeded.stop = None


class ReadBudget:
    """What was read of one data set, held against its limits."""

    def __init__(self, limits: ReadLimits) -> None:
        self.limits = limits
        self.free_reads = _FREE_READS
        # Why reading ended: pydicom makes another error of it.
        self.ended: Exception | None = None
        self._heads = self._elements = self._items = self._values = self._text = self._bytes = 0
        self._within = 0
        self._items_before = 0
        self._began = time.thread_time()

    def enter(self, tag: int) -> None:
        """What is counted next is of this element of the data set itself."""
        self._within = tag
        self._items_before = self._items

    def head(self, data: bytes) -> None:
        """Count what begins with these 8 bytes: an item, or an element."""
        if data[:4] in _ITEM_HEADS:
            self._items += 1
            if self._items > self.limits.items:
                alone = self._items - self._items_before > self.limits.items
                where = f" in {name(self._within)}" if alone and self._within else ""
                self._end(f"More than {self.limits.items} items{where}")
        else:
            # A value of 8 bytes looks the same: there are half as many elements, at least.
            self._elements += 1
            if self._elements > 2 * self.limits.elements:
                self._end(f"More than {self.limits.elements} elements")
        self._heads += 1
        if self._heads % _LOOK_EVERY == 0:
            self.look()

    def value(self, tag: int, vr: str, value: bytes, is_one: bool = False) -> None:
        """Count a value field that is to be decoded; `is_one`: a backslash in it is text."""
        size = _NUMBER_BYTES.get(vr)
        if size:
            self._values += len(value) // size
        else:
            self._values += 1 if is_one else value.count(b"\\") + 1
            if vr not in _NOT_PROSE:
                self._text += len(value)
        if self._values > self.limits.values:
            self._end(f"More than {self.limits.values} values, with those of {name(tag)}")
        if self._text > self.limits.text_bytes:
            self._end(f"More than {self.limits.text_bytes} bytes of text, with {name(tag)}")

    def bytes(self, count: int, head: bytes) -> None:
        """Hold the length of a value behind `head` against the limits, before it is read."""
        limit = self.limits.value_bytes
        if count > limit:
            self._end(f"A value of more than {limit} bytes")
        if head[:4] in _CHARACTER_SET_HEADS:
            self._end(f"More than {SMALL_BYTES} bytes in (0008,0005)")
        # Each sequence around a value holds the value too.
        self._bytes += count
        if self._bytes > _TIMES * limit:
            self._end(f"More than {_TIMES * limit} bytes of values in sequences")

    def look(self, read_bytes: int = 0) -> None:
        """Raise where it took too long, or who asked for it is gone. Lets other threads go on.

        What has come with more bytes than a message has may take longer.
        """
        seconds = self.limits.seconds * max(1.0, read_bytes / MESSAGE.value_bytes)
        if time.thread_time() - self._began > seconds:
            self._end(f"It takes more than {seconds:g} seconds to read")
        if stop := _heeded.stop:
            try:
                stop()
            except Exception as error:
                self.ended = error
                raise
        time.sleep(0)

    def failure(self, error: Exception) -> Exception:
        """What is to be raised for what a reader has raised."""
        if self.ended or isinstance(error, ArchiveError):
            return self.ended or error
        return unreadable(error)

    def _end(self, words: str) -> NoReturn:
        self.ended = BudgetError(words)
        raise self.ended


class Metered:
    """A file from which a data set is read, each head counted behind the first few."""

    def __init__(self, source: BinaryIO, budget: ReadBudget) -> None:
        self.seek = source.seek
        self.tell = source.tell
        self._read = source.read
        self._budget = budget
        self._free = budget.free_reads
        self._head = b""
        budget.free_reads = 0

    def read(self, count: int = -1) -> bytes:
        """The next bytes. Raises BudgetError."""
        if count != _HEAD_BYTES:
            if count > SMALL_BYTES:
                self._budget.bytes(count, self._head)
            return self._read(count)
        self._head = data = self._read(count)
        if self._free:
            self._free -= 1
        else:
            self._budget.head(data)
        return data


def name(tag: int) -> str:
    """A tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
