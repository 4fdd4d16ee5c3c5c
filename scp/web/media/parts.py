"""Bodies of several parts (RFC 2046 5.1, RFC 2387), read as they come.

By hand: what is there either takes form data alone (`multipart`, werkzeug), or is called back
piece by piece and takes half as long again (`python_multipart`).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from scp.web.media.errors import CutShortError, MultipartError
from scp.web.media.media_ranges import MediaRange, media_ranges

_BLOCK_BYTES = 1 << 18
_MOST_HEAD_BYTES, _MOST_PREAMBLE_BYTES, _MOST_PARTS = 16 * 1024, 64 * 1024, 100_000
# Blanks behind a boundary, in its line (RFC 2046 5.1.1).
_MOST_BLANKS = 256
_BOUNDARY = re.compile(r"[\x20-\x7e]{0,199}[\x21-\x7e]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_LINE_END = b"\r\n"
# Bytes go as they are over HTTP; of what is encoded for mail they would be others.
_PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})


class Source(Protocol):
    """What a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, as many as there are; none at the end."""


@dataclass(frozen=True)
class IncomingPart:
    """A part as it comes: `headers` by their names in small letters.

    `chunks` are read before the next part is asked for, or passed over then.
    """

    headers: Mapping[str, str]
    chunks: Iterator[bytes]

    @property
    def content_type(self) -> MediaRange:
        """Its media type, with parameters; text/plain where it has none (RFC 2046 5.1)."""
        found = media_ranges(self.headers.get("content-type", ""))
        return found[0] if found else MediaRange("text/plain")

    def read(self, most: int) -> bytes:
        """All of it. Raises MultipartError where that is more than `most` bytes."""
        found = bytearray()
        for chunk in self.chunks:
            found += chunk
            if len(found) > most:
                raise MultipartError(f"a part has more than {most} bytes")
        return bytes(found)


@dataclass(frozen=True)
class IncomingMultipart:
    """The Content-Type of a body of parts: `media_type` is that of its root.

    `start` names the root by its Content-ID; without it the first part is the root (RFC 2387 3.2).
    """

    boundary: str
    media_type: str = ""
    start: str = ""

    @classmethod
    def of(cls, content_type: str) -> "IncomingMultipart":
        """What a Content-Type says. Raises MultipartError where it is another media type."""
        ranges = media_ranges(content_type)
        if not ranges or not ranges[0].is_multipart:
            raise MultipartError("Content-Type: takes multipart/related with a boundary")
        parameters = ranges[0].parameters
        boundary = parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError("Content-Type: multipart/related lacks a boundary")
        kind = parameters.get("type", "").strip().lower()
        return cls(boundary, kind, parameters.get("start", ""))

    def parts(self, source: Source) -> Iterator[IncomingPart]:
        """The parts of a body.

        Raises CutShortError where it ends before its last boundary, MultipartError where it is no
        such body. Memory is flat; what is behind the last boundary is not read.
        """
        return _Reader(source, self.boundary.encode()).parts()


def parts_of(source: Source, content_type: str) -> Iterator[IncomingPart]:
    """The parts of a body by its Content-Type; raises as `IncomingMultipart`."""
    return IncomingMultipart.of(content_type).parts(source)


def whole_of(source: Source, content_type: str, length: int | None) -> IncomingPart | None:
    """A body of one part as that part, by its Content-Type; None where it is of several.

    `length` is what is said of it: where it ends before, its chunks raise CutShortError. Raises
    MultipartError where there is no media type.
    """
    ranges = media_ranges(content_type)
    if not ranges:
        raise MultipartError("Content-Type: missing, or no media type")
    if ranges[0].is_multipart or content_type.lower().lstrip().startswith("multipart/"):
        return None
    return IncomingPart({"content-type": content_type}, _chunks(source, length))


def _chunks(source: Source, length: int | None) -> Iterator[bytes]:
    read = 0
    while block := source.read(_BLOCK_BYTES):
        read += len(block)
        yield block
    if length is not None and read < length:
        raise CutShortError("the body ends before its end")


class _Reader:
    """Reads a body from front to back; `_held` is what was read and is still to be told."""

    def __init__(self, source: Source, boundary: bytes) -> None:
        self._source = source
        self._delimiter = _LINE_END + b"--" + boundary
        self._held = _LINE_END  # the first boundary may be the first line
        self._is_last = False

    def parts(self) -> Iterator[IncomingPart]:
        """The parts."""
        self._pass_preamble()
        for _ in range(_MOST_PARTS):
            if self._is_last:
                return
            part = IncomingPart(self._headers(), self._body())
            yield part
            for _ in part.chunks:
                pass
        raise MultipartError(f"more than {_MOST_PARTS} parts")

    def _pass_preamble(self) -> None:
        passed = 0
        for chunk in self._until_boundary():
            passed += len(chunk)
            if passed > _MOST_PREAMBLE_BYTES:
                raise MultipartError("there is no boundary at the beginning of the body")

    def _body(self) -> Iterator[bytes]:
        """What is behind the headers' empty line; its end may be that of an empty body, too."""
        left = len(_LINE_END)
        for chunk in self._until_boundary():
            passed = min(left, len(chunk))
            left -= passed
            if passed < len(chunk):
                yield chunk[passed:]

    def _until_boundary(self) -> Iterator[bytes]:
        """What comes before the next boundary; that is gone past, with its line."""
        delimiter, begin = self._delimiter, 0
        while True:
            at = self._held.find(delimiter, begin)
            if at < 0:
                # A boundary may begin in the last bytes.
                known = max(len(self._held) - len(delimiter) + 1, 0)
                found, self._held = self._held[:known], self._held[known:]
                if found:
                    yield found
                begin = 0
                self._fill()
                continue
            if at:
                found, self._held = self._held[:at], self._held[at:]
                yield found
            end = self._end_of_line(len(delimiter))
            if end:
                self._held = self._held[end:]
                return
            begin = 1  # its bytes are those of the part

    def _end_of_line(self, at: int) -> int:
        """Where the line of a boundary ends that is held to `at`; 0 where it is none.

        Notes whether it is the last one: two hyphens and, as some end there, whatever line end.
        """
        is_last = self._holds(at, b"--")
        at += 2 * is_last
        for _ in range(_MOST_BLANKS):
            byte = self._byte(at, is_last)
            if byte == b"\r" and self._holds(at, _LINE_END):
                self._is_last = is_last
                return at + 2
            if is_last and byte in (b"", b"\n", b"\r"):
                self._is_last = True
                return at
            if byte not in (b" ", b"\t"):
                return 0
            at += 1
        return 0

    def _holds(self, at: int, wanted: bytes) -> bool:
        with suppress(CutShortError):
            while len(self._held) < at + len(wanted):
                self._fill()
        return self._held.startswith(wanted, at)

    def _byte(self, at: int, may_end: bool) -> bytes:
        try:
            while len(self._held) <= at:
                self._fill()
        except CutShortError:
            if not may_end:
                raise
        return self._held[at : at + 1]

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        last = ""
        for line in self._head_lines():
            if line[0] in " \t" and last:  # folded (RFC 5322 2.2.3)
                found[last] = f"{found[last]} {line.strip()}".strip()
                continue
            match = _HEADER.fullmatch(line)
            if not match:
                raise MultipartError(f"a part has a header that is none: {line[:60]!a}")
            last = match[1].lower()
            found[last] = match[2].strip()
        encoding = found.get("content-transfer-encoding", "").lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise MultipartError(f"Content-Transfer-Encoding: takes binary, not {encoding[:40]!a}")
        return found

    def _head_lines(self) -> list[str]:
        """The lines before the empty one, whose end is still held."""
        if self._holds(0, _LINE_END):
            return []
        while (at := self._held.find(2 * _LINE_END)) < 0 and len(self._held) <= _MOST_HEAD_BYTES:
            self._fill()
        if not 0 <= at <= _MOST_HEAD_BYTES:
            raise MultipartError(f"a part's headers have more than {_MOST_HEAD_BYTES} bytes")
        head, self._held = self._held[:at], self._held[at + len(_LINE_END) :]
        return head.decode("latin-1").split("\r\n")

    def _fill(self) -> None:
        block = self._source.read(_BLOCK_BYTES)
        if not block:
            raise CutShortError("the body ends before its last boundary")
        self._held += block
