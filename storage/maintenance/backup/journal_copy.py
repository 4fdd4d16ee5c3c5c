"""The copy of a journal: what it told at one moment, taken while its lines go on."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.journal import COMPACTED, Journal
from storage.journal.segments import Segments, copy_range, inode
from storage.maintenance.backup.file_copies import FileCopies

_BLOCK_BYTES = 1 << 20
_COPIES = ("*.jsonl", "*.part", "*/*.jsonl", "*/*.part")


@dataclass(frozen=True)
class JournalState:
    """The lines of one name at a moment: what is there by then never changes.

    `written` is open, and read up to `size`; None where nothing was written since the last
    segment was closed.
    """

    name: str
    closed: tuple[Path, ...]
    written: BinaryIO | None
    size: int


class JournalCopy:
    """The journal of an archive, below the folder of its backup."""

    def __init__(self, journal: Journal, to: Path, copies: FileCopies) -> None:
        self._journal = journal
        self._to = to / "journal"
        self._copies = copies

    def bring(self, states: list[JournalState]) -> None:
        """Have the copy tell what the journal told when these were its states. Raises OSError."""
        self._to.mkdir(mode=0o700, exist_ok=True)
        told = [path for state in states for path in state.closed]
        told += [self._journal.folder / f"{one.name}.jsonl" for one in states if one.written]
        names = {path.relative_to(self._journal.folder) for path in told}
        # Of a journal that went on otherwise than this one, where an older copy was put back.
        for copy in (one for pattern in _COPIES for one in self._to.glob(pattern)):
            if copy.relative_to(self._to) not in names:
                copy.unlink()
                self._copies.touched(copy)
        for state in states:
            for path in state.closed:
                self._bring_closed(path)
            if state.written:
                with state.written as file:
                    self._bring_written(file, state.size, self._to / f"{state.name}.jsonl")
        self._bring_identity()
        self._bring_compacted()

    def _bring_closed(self, path: Path) -> None:
        """A segment, unless its copy is as new; that has its name once it is whole."""
        target = self._to / path.relative_to(self._journal.folder)
        held, there = path.stat(), target.stat() if target.exists() else None
        # Compaction writes one anew, of the same length, and later.
        if not there or there.st_size != held.st_size or there.st_mtime_ns < held.st_mtime_ns:
            with path.open("rb") as file:
                self._write(file, held.st_size, target, held.st_mtime_ns)

    def _bring_written(self, file: BinaryIO, size: int, target: Path) -> None:
        start = target.stat().st_size if target.exists() else 0
        if not 0 < start <= size or not _begins(file, target, start):
            self._write(file, size, target)
        elif start < size:
            with target.open("r+b") as copy:
                _copy(file, copy, start, size)

    def _write(self, file: BinaryIO, size: int, target: Path, changed: int = 0) -> None:
        """Write a copy anew, and give it its name when it is on the disk, with its time."""
        target.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = target.with_suffix(".part")
        with fresh.open("wb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            _copy(file, copy, 0, size)
            if changed:
                os.utime(copy.fileno(), ns=(changed, changed))
        os.replace(fresh, target)
        self._copies.touched(target)

    def _bring_identity(self) -> None:
        """A journal that is restored is the same one as far as it goes."""
        text = f"{self._journal.make_identity()}\n"
        target = self._to / "identity"
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
            target.chmod(0o600)
            self._copies.touched(target)

    def _bring_compacted(self) -> None:
        """An index of an earlier day is known beside the copy too."""
        path, target = self._journal.folder / COMPACTED, self._to / COMPACTED
        if path.exists() and (not target.exists() or target.read_bytes() != path.read_bytes()):
            target.write_bytes(path.read_bytes())
            target.chmod(0o600)
            self._copies.touched(target)


def states(journal: Journal) -> list[JournalState]:
    """What a journal tells at this moment, by names. Raises OSError."""
    folder = journal.folder
    paths = (*folder.glob("*.jsonl"), *folder.glob("*.link"))
    names = {path.stem for path in paths} | {path.parent.name for path in folder.glob("*/*.jsonl")}
    return [_state(Segments(folder, name)) for name in sorted(names)]


def _state(ours: Segments) -> JournalState:
    while True:
        closed = ours.closed()
        file = _opened(ours)
        if ours.closed() == closed:
            break
        if file:  # it was closed in between
            file.close()
    paths = tuple(path for _, path in closed)
    if file and paths and inode(os.fstat(file.fileno())) == inode(paths[-1].stat()):
        file.close()  # closed, and not yet followed
        file = None
    return JournalState(ours.path.stem, paths, file, os.fstat(file.fileno()).st_size if file else 0)


def _opened(ours: Segments) -> BinaryIO | None:
    """The file that is written, by its second name where somebody took the first."""
    for path in (ours.path, ours.link):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        if os.fstat(file.fileno()).st_size:
            return file
        file.close()
    return None


def _copy(file: BinaryIO, copy: BinaryIO, start: int, end: int) -> None:
    """Copy these bytes, and see that they are on the disk."""
    copy_range(file, copy, start, end)
    copy.truncate(end)
    os.fsync(copy.fileno())


def _begins(file: BinaryIO, target: Path, length: int) -> bool:
    """Whether the first bytes of a file are those of `target`."""
    file.seek(0)
    with target.open("rb") as copy:
        while length:
            part = copy.read(min(length, _BLOCK_BYTES))
            if not part or file.read(len(part)) != part:
                return False
            length -= len(part)
    return True
