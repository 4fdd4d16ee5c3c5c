"""Some bytes, and a part of a file behind them: read as one file."""

import io
import os
from typing import BinaryIO, cast

_BUFFER_BYTES = 1 << 16


class _Chain(io.RawIOBase):
    def __init__(self, head: bytes, file: BinaryIO, start: int, end: int) -> None:
        self._head, self._file, self._start = head, file, start
        self._size = len(head) + end - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        behind = self._at - len(self._head)
        if behind < 0:
            data = self._head[self._at : self._at + len(buffer)]
        else:
            self._file.seek(self._start + behind)
            data = self._file.read(max(min(len(buffer), self._size - self._at), 0))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def chained(head: bytes, file: BinaryIO, start: int, end: int | None = None) -> BinaryIO:
    """`head`, and `file` from byte `start` on, or to `end`; it is closed with this."""
    if end is None:
        end = file.seek(0, os.SEEK_END)
    return cast(BinaryIO, io.BufferedReader(_Chain(head, file, start, end), _BUFFER_BYTES))
