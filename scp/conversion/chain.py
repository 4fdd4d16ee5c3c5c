"""Some bytes, and the rest of a file behind them: read as one file."""

import io
import os
from typing import BinaryIO, cast

_BUFFER_BYTES = 1 << 16


class _Chain(io.RawIOBase):
    def __init__(self, head: bytes, file: BinaryIO, start: int) -> None:
        self._head, self._file, self._start = head, file, start
        self._size = len(head) + file.seek(0, os.SEEK_END) - start
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
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def chained(head: bytes, file: BinaryIO, start: int) -> BinaryIO:
    """`head`, and `file` from byte `start` on, which is closed with it."""
    return cast(BinaryIO, io.BufferedReader(_Chain(head, file, start), _BUFFER_BYTES))
