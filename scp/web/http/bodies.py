"""The body of a request that comes in chunks (RFC 9112 7.1)."""

import io
import re
from typing import Any

from werkzeug.exceptions import BadRequest, ClientDisconnected

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;.*)?\r\n")
_MOST_LINE_BYTES, _MOST_TRAILERS = 4096, 64


class ChunkedBody(io.RawIOBase):
    """Reads it no further than is asked for, whatever the chunks say of their size.

    Raises BadRequest where it is not as it should be.
    """

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self._left = 0  # of a chunk
        self._has_begun = False
        self.is_over = False

    def readable(self) -> bool:
        """It is read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some of it; 0 at the end."""
        if not (self._left or self.is_over):
            self._begin_chunk()
        if self.is_over:
            return 0
        content = self._file.read(min(len(buffer), self._left))
        if not content:
            raise ClientDisconnected("the body was cut short")
        self._left -= len(content)
        buffer[: len(content)] = content
        return len(content)

    def _begin_chunk(self) -> None:
        if self._has_begun and self._line() != b"\r\n":
            raise BadRequest("a chunk of the body is longer than it says")
        self._has_begun = True
        found = _SIZE.fullmatch(self._line())
        if not found:
            raise BadRequest("a chunk of the body does not say its size")
        self._left = int(found[1], 16)
        if not self._left:
            self._skip_trailers()
            self.is_over = True

    def _skip_trailers(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self._line() == b"\r\n":
                return
        raise BadRequest("the body has too many trailers")

    def _line(self) -> bytes:
        found: bytes = self._file.readline(_MOST_LINE_BYTES)
        if not found:
            raise ClientDisconnected("the body was cut short")
        return found
