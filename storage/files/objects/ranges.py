"""An object as a file: read a range at a time, and ahead of who reads on."""

import io
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from storage.files import FileStatus

# What is asked for first: all of a small instance, the header of a large one.
FIRST_BYTES = 256 << 10
# Who reads on has twice as much with each range, up to this; twice that is in memory then.
MOST_BYTES = 4 << 20
# Small reads, as of elements, are served from so much.
_BUFFER_BYTES = 32 << 10

Read = Callable[[int, int], memoryview]  # what lies from one byte up to another, all of it


class Taker(Protocol):
    """Takes what is read, as it is read."""

    def take(self, start: int, data: memoryview) -> None:
        """What lies from byte `start` on."""

    def end(self) -> None:
        """Nothing more comes."""


class ObjectFile(io.BufferedReader):
    """An object of which the beginning is read; seekable, and without a descriptor.

    The rest is read as it is asked for, by `ahead` before that. Each read may raise what `read`
    does.
    """

    def __init__(
        self,
        status: FileStatus,
        beginning: memoryview,
        read: Read,
        ahead: Executor | None = None,
        taker: Taker | None = None,
    ) -> None:
        self.status = status
        super().__init__(_Ranges(status.bytes, beginning, read, ahead, taker), _BUFFER_BYTES)


class _Ranges(io.RawIOBase):
    """The ranges of an object, of which one is held, and one more is on its way."""

    def __init__(
        self,
        size: int,
        beginning: memoryview,
        read: Read,
        ahead: Executor | None,
        taker: Taker | None,
    ) -> None:
        self._size, self._read, self._ahead, self._taker = size, read, ahead, taker
        self._at = self._start = 0
        self._held = beginning
        self._step = FIRST_BYTES
        self._coming: tuple[int, Future[memoryview]] | None = None
        if taker:
            taker.take(0, beginning)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte; nothing is read for that."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"negative seek position {origin + offset}")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        """The byte that is read next."""
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes, none behind the last."""
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._end:
            self._fetch()
        with memoryview(buffer).cast("B") as room:
            part = self._held[self._at - self._start :][: len(room)]
            room[: len(part)] = part
        self._at += len(part)
        self._look_ahead()
        return len(part)

    def readall(self) -> bytes:
        """All that is left, without a copy on the way."""
        parts = []
        while self._at < self._size:
            if not self._start <= self._at < self._end:
                self._fetch()
            parts.append(self._held[self._at - self._start :])
            self._at = self._end
            self._look_ahead()
        return b"".join(parts)

    def close(self) -> None:
        """Let go of what was read, and of what is being read."""
        if not self.closed:
            if self._coming:
                self._coming[1].cancel()
            if self._taker:
                self._taker.end()
            self._held = memoryview(b"")
        super().close()

    @property
    def _end(self) -> int:
        return self._start + len(self._held)

    def _fetch(self) -> None:
        """Have the range that begins where is read next."""
        reads_on = self._at == self._end
        coming, self._coming = self._coming, None
        if coming and coming[0] == self._at:
            held = coming[1].result()
        else:
            if coming:
                coming[1].cancel()
            self._step = min(2 * self._step, MOST_BYTES) if reads_on else FIRST_BYTES
            held = self._read(self._at, min(self._at + self._step, self._size))
        self._start, self._held = self._at, held
        if self._taker:
            self._taker.take(self._start, held)

    def _look_ahead(self) -> None:
        """Begin the next range once half of this one is read: who reads a header reads no more."""
        if self._ahead is None or self._coming or self._end >= self._size:
            return
        if 2 * (self._at - self._start) >= len(self._held):
            self._step = min(2 * self._step, MOST_BYTES)
            start, end = self._end, min(self._end + self._step, self._size)
            self._coming = start, self._ahead.submit(self._read, start, end)
