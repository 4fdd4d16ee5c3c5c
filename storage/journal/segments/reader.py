"""The lines of one kind in the journal: segments that are closed, and the file that is written.

What a closed segment tells never moves; its name is where it begins. Positions are bytes, counted
over all of them in their order. In the place of lines that compaction dropped are NULs, holes where
the file system has them. The file that is written has a second name, `<name>.link`, so that one who
moves or removes the first takes nothing from the journal.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

# A file that is larger is closed.
SEGMENT_BYTES = 16 << 20
# So many bytes before a position tell one journal from another.
TAIL_BYTES = 64 << 10
# Of a line, read at a time: of NULs there may be a segment full.
_PART_BYTES = 64 << 10
_SUFFIX = ".jsonl"


class Line(NamedTuple):
    """A line without its end, and the positions where it begins and where the next one does."""

    start: int
    end: int
    text: bytes


class Inode(NamedTuple):
    """A file, whatever its names are."""

    device: int
    number: int


# Where the written files begin, by their paths: a file that is still the same was not closed.
_starts: dict[Path, tuple[Inode, int]] = {}


class Segments:
    """Those of one name in the folder of a journal, to be read."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}{_SUFFIX}"
        self.link = folder / f"{name}.link"
        self.folder = folder / name
        self._names = str(self.path), str(self.link), str(self.folder)

    def closed(self) -> list[tuple[int, Path]]:
        """Where each closed segment begins, and its file; the oldest first."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        numbers = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
        return [(int(n), self.closed_path(int(n))) for n in sorted(numbers) if n.isdigit()]

    def closed_before(self, position: int) -> list[tuple[int, Path]]:
        """Those that no mark depends on which speaks of this position, or of a later one."""
        return [(start, path) for start, path in self.closed()
                if start + path.stat().st_size + TAIL_BYTES <= position]  # fmt: skip

    def closed_path(self, start: int) -> Path:
        """The file of a closed segment."""
        return self.folder / f"{start:015d}{_SUFFIX}"

    def state(self) -> tuple[tuple[int, ...] | None, ...]:
        """Another one wherever a line was added, a segment closed, or a file moved or put back.

        Raises OSError.
        """
        return tuple(map(_state, self._names))

    def written(self) -> os.stat_result | None:
        """The file that is written; None where there is none."""
        found = status(self.path)
        return found if found and found.st_size else status(self.link) or found

    def extent(self) -> tuple[int, int]:
        """Where the file that is written begins, and where all ends."""
        while True:
            held = self.written()
            known = _starts.get(self.path)
            if held and known and known[0] == inode(held):
                return known[1], known[1] + held.st_size
            closed = self.closed()
            if not held and not closed:
                return 0, 0
            last = status(closed[-1][1]) if closed else None
            start = closed[-1][0] + last.st_size if last else 0
            again = self.written()
            if (held and inode(held)) != (again and inode(again)) or (closed and not last):
                continue  # it was closed in between
            if not again or (last and inode(last) == inode(again)):  # closed, and not yet followed
                return start, start
            _starts[self.path] = inode(again), start
            return start, start + again.st_size

    def lines(self, start: int = 0, end: int | None = None) -> Iterator[Line]:
        """The lines from one position to another, the empty ones left out."""
        while end is None or start < end:
            found = self._open(start)
            if found is None:
                return
            file, begin = found
            with file:
                file.seek(start - begin)
                before = start
                for text in iter(partial(file.readline, _PART_BYTES), b""):
                    first, start = start, start + len(text)
                    if len(text) == _PART_BYTES:
                        text, start = _whole(file, text, start - begin), begin + file.tell()
                    if end is not None and start > end:
                        return
                    if len(text) > 1 and text[0]:
                        yield Line(first, start, text.rstrip(b"\n"))
                if start == before:
                    return

    def tail(self, position: int) -> str:
        """A digest of what lies before a position; empty where that is not there."""
        start = max(position - TAIL_BYTES, 0)
        digest = hashlib.sha256(b"%d" % position)
        while start < position:
            found = self._open(start)
            if found is None:
                return ""
            file, begin = found
            with file:
                file.seek(start - begin)
                part = file.read(position - start)
            if not part:
                return ""
            digest.update(part)
            start += len(part)
        return digest.hexdigest()

    def end_of_lines(self, start: int, most: int) -> int:
        """How far can be read from a position on: the last line may be still to come.

        At most about `most` bytes, though always a whole line. Raises OSError.
        """
        found = self._open(start)
        if found is None:
            return start
        file, begin = found
        with file:
            file.seek(start - begin)
            before, held = 0, file.read(most)
            while b"\n" not in held and (more := file.read(most)):
                before, held = before + len(held), more
            size = os.fstat(file.fileno()).st_size
        read = start + before + len(held)
        if begin + size == read and begin < self.extent()[0]:
            return read  # what ends a closed segment stays as it is
        last = held.rfind(b"\n") + 1
        return start + before + last if last else start

    def _open(self, position: int) -> tuple[BinaryIO, int] | None:
        """The file in which a position lies, open, and where it begins; None behind the end."""
        while True:
            begin, end = self.extent()
            if position >= end:
                return None
            if position < begin:
                found = [one for one in self.closed() if one[0] <= position]
                if not found:
                    return None
                return found[-1][1].open("rb"), found[-1][0]
            for path in (self.path, self.link):
                try:
                    file = path.open("rb")
                except FileNotFoundError:
                    continue
                if _starts.get(self.path) == (inode(os.fstat(file.fileno())), begin):
                    return file, begin
                file.close()


def _state(path: str) -> tuple[int, ...] | None:
    try:
        held = os.stat(path)
    except FileNotFoundError:
        return None
    return held.st_dev, held.st_ino, held.st_size, held.st_mtime_ns


def _whole(file: BinaryIO, text: bytes, at: int) -> bytes:
    """The line that begins with `text`, read up to byte `at` of a file; of NULs only their begin.

    The file is behind it then.
    """
    if text[0]:
        return text + file.readline()
    try:
        file.seek(at, os.SEEK_DATA)
    except OSError:  # nothing but a hole follows, or the file system has none
        file.seek(at)
    while (part := file.readline(_PART_BYTES)) and not part.endswith(b"\n"):
        pass
    return text


def status(path: Path) -> os.stat_result | None:
    """Of a file that may not be there."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def inode(held: os.stat_result) -> Inode:
    """What tells a file from others."""
    return Inode(held.st_dev, held.st_ino)
