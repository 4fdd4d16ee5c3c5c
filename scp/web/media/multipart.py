"""Bodies of several parts (RFC 2046 5.1, RFC 2387), written as they are sent."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from scp.web.media.errors import CutShortError
from scp.web.media.media_types import MULTIPART

_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class FileRange:
    """Bytes of an open file, which stays open until they are read."""

    file: BinaryIO
    start: int
    length: int

    def chunks(self) -> Iterator[bytes]:
        """The bytes. Raises CutShortError where the file ends before."""
        self.file.seek(self.start)
        left = self.length
        while left:
            chunk = self.file.read(min(left, _BLOCK_BYTES))
            if not chunk:
                raise CutShortError(f"the file ends {left} bytes before it should")
            left -= len(chunk)
            yield chunk


@dataclass(frozen=True)
class Part:
    """A part that is to be sent: its headers, and its bytes, in pieces where they are many."""

    headers: Mapping[str, str]
    body: bytes | FileRange | Iterable[bytes]


@dataclass(frozen=True)
class Multipart:
    """A body of parts of one media type.

    The boundary has 128 random bits, made when the bytes of the parts lay there already: so nobody
    can have put it in them, and that it occurs by chance is less likely than that a disk gives
    other bytes than were written. They are not looked through for it, which would be to read all
    before the first byte is sent.
    """

    media_type: str
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def content_type(self) -> str:
        """The Content-Type of the whole."""
        return f'{MULTIPART}; type="{self.media_type}"; boundary={self.boundary}'

    def pieces(self, parts: Iterable[Part]) -> Iterator[bytes | FileRange]:
        """The body; what lies in files is left to whoever can send it from there.

        A part is asked for when those before it are sent, so `parts` can open and close its files.
        """
        is_first = True
        for part in parts:
            head = self._head(part.headers, is_first)
            is_first = False
            if isinstance(part.body, bytes):
                yield head + part.body if len(part.body) < _BLOCK_BYTES else head
                if len(part.body) >= _BLOCK_BYTES:
                    yield part.body
            elif isinstance(part.body, FileRange):
                yield head
                yield part.body
            else:
                yield head
                yield from part.body
        yield self._end(is_first)

    def chunks(self, parts: Iterable[Part]) -> Iterator[bytes]:
        """The same as bytes alone. Raises CutShortError where a file is shorter than its range."""
        for piece in self.pieces(parts):
            if isinstance(piece, FileRange):
                yield from piece.chunks()
            else:
                yield piece

    def length(self, parts: Iterable[tuple[Mapping[str, str], int]]) -> int:
        """How many bytes a body has of parts with these headers and lengths."""
        total, is_first = 0, True
        for headers, size in parts:
            total += len(self._head(headers, is_first)) + size
            is_first = False
        return total + len(self._end(is_first))

    def _head(self, headers: Mapping[str, str], is_first: bool) -> bytes:
        lines = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in headers.items())
        before = "" if is_first else "\r\n"
        return f"{before}--{self.boundary}\r\n{lines}\r\n".encode("latin-1", "replace")

    def _end(self, is_first: bool) -> bytes:
        before = "" if is_first else "\r\n"
        return f"{before}--{self.boundary}--\r\n".encode()


def _one_line(value: str) -> str:
    """A header's value without what would end it."""
    return " ".join(value.splitlines())
