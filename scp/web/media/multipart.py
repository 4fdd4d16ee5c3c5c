"""Bodies of several parts (RFC 2046 5.1, RFC 2387): written as they are sent, read as they come."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from werkzeug.wrappers import Response

from scp.web.media.accept import MULTIPART, media_ranges

_BLOCK_BYTES = 1 << 18
_MOST_HEAD_BYTES, _MOST_PARTS = 16 * 1024, 100_000
_MOST_PREAMBLE_BYTES = 64 * 1024
_BREAK = b"\r\n"


class CutShortError(Exception):
    """A body ends before its last boundary, or is not what its media type says."""


class UnsupportedTypeError(Exception):
    """A body is of a media type that is not taken; the text names what is."""


@dataclass(frozen=True)
class Part:
    """A part that is to be sent."""

    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    length: int


@dataclass
class IncomingPart:
    """A part as it comes; its chunks are read before the next one is asked for."""

    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Source(Protocol):
    """What a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""


def multipart(parts: Iterator[Part], media_type: str, status: int) -> Response:
    """An answer of several parts.

    The boundary has 128 random bits: that it occurs in a part is less likely than that the disk
    gives other bytes, so they are not looked through.
    """
    boundary = secrets.token_hex(16)
    kind = f'{MULTIPART}; type="{media_type}"; boundary={boundary}'
    # First, so that what is wrong with the first part is told by a status.
    written = _written(parts, boundary.encode())
    body = chain([next(written)], written)
    answer = Response(body, status, direct_passthrough=True)
    answer.headers["Content-Type"] = kind
    return answer


def _written(parts: Iterator[Part], boundary: bytes) -> Iterator[bytes]:
    before = b"--"
    for part in parts:
        headers = {**part.headers, "Content-Length": str(part.length)}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head_bytes = before + boundary + _BREAK + head.encode("latin-1") + _BREAK
        first = next(part.chunks, b"")
        yield head_bytes + first if len(first) < _BLOCK_BYTES else head_bytes
        if len(first) >= _BLOCK_BYTES:
            yield first
        yield from part.chunks
        before = b"\r\n--"
    # Without any part there is no preamble to break from.
    yield before + boundary + b"--\r\n"


def parts_of(source: Source, content_type: str) -> Iterator[IncomingPart]:
    """The parts of a body. Raises CutShortError.

    A library's parser takes a quarter more time for large parts, and the one that is in use
    elsewhere (werkzeug's) takes form data alone.
    """
    found = media_ranges(content_type)
    boundary = found[0].parameters.get("boundary", "") if found and found[0].is_multipart else ""
    if not boundary or len(boundary) > 200:
        raise UnsupportedTypeError(f"Content-Type: takes {MULTIPART} with a boundary")
    yield from _Parser(source, boundary.encode("latin-1", "replace")).parts()


class _Parser:
    """Reads a body from front to back; `_held` is what was read and is still to be told."""

    def __init__(self, source: Source, boundary: bytes) -> None:
        self._source = source
        self._delimiter = b"\r\n--" + boundary
        self._held = bytearray(_BREAK)  # the first boundary may be the first line

    def parts(self) -> Iterator[IncomingPart]:
        """The parts."""
        passed = 0
        for chunk in self._until_delimiter():
            passed += len(chunk)
            if passed > _MOST_PREAMBLE_BYTES:
                raise CutShortError("there is no boundary at its beginning")
        for _ in range(_MOST_PARTS):
            if self._is_last():
                return
            headers = self._head()
            chunks = self._until_delimiter()
            yield IncomingPart(headers, chunks)
            for _ in chunks:  # what was not read of it
                pass
        raise CutShortError(f"more than {_MOST_PARTS} parts")

    def _until_delimiter(self) -> Iterator[bytes]:
        """What comes before the next boundary, which is gone past."""
        size = len(self._delimiter)
        while True:
            at = self._held.find(self._delimiter)
            if at >= 0:
                found = bytes(self._held[:at])
                del self._held[: at + size]
                if found:
                    yield found
                return
            # A boundary may begin in the last bytes.
            if len(self._held) > size:
                found = bytes(self._held[:-size])
                del self._held[:-size]
                yield found
            self._fill()

    def _is_last(self) -> bool:
        """Whether the boundary was the last one; gone past the end of its line else."""
        while len(self._held) < 2:
            self._fill()
        if self._held.startswith(b"--"):
            return True
        line = self._line()
        if line.strip(b" \t"):
            raise CutShortError("something follows a boundary in its line")
        return False

    def _line(self) -> bytes:
        while (at := self._held.find(_BREAK)) < 0:
            if len(self._held) > _MOST_HEAD_BYTES:
                raise CutShortError("the head of a part is too long")
            self._fill()
        line = bytes(self._held[:at])
        del self._held[: at + 2]
        return line

    def _head(self) -> dict[str, str]:
        found: dict[str, str] = {}
        size, last = 0, ""
        while line := self._line():
            size += len(line)
            if size > _MOST_HEAD_BYTES:
                raise CutShortError("the head of a part is too long")
            text = line.decode("latin-1")
            if text[0] in " \t" and last:
                found[last] += f" {text.strip()}"
                continue
            name, colon, value = text.partition(":")
            if not colon:
                raise CutShortError("the head of a part is no head")
            last = name.strip().lower()
            found[last] = value.strip()
        return found

    def _fill(self) -> None:
        block = self._source.read(_BLOCK_BYTES)
        if not block:
            raise CutShortError("the body ends before its last boundary")
        self._held += block
