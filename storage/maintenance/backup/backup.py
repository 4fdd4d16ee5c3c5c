"""A copy of tree, superseded/ and journal that agree with each other, made while a node serves.

All that can take long is done first. Then stores are held up for the moment that it takes to look
at what came meanwhile: its files are opened, and copied when stores go on. What is open keeps its
bytes, whatever becomes of its name: a file of the tree is never changed in place.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from storage.archive import Archive, counts
from storage.diagnostics import DataSetError, ResourceError
from storage.dicom.values import Uids
from storage.files import Files, named_by, relative_path
from storage.index import digest_in
from storage.journal import RECEIPTS, in_journal
from storage.journal.segments import unchanged
from storage.maintenance.backup.backup_folder import claimed
from storage.maintenance.backup.file_copies import FileCopies, UnreadableFileError, open_source
from storage.maintenance.backup.journal_copy import JournalCopy, states
from storage.maintenance.backup.worklist_copy import bring_entries

_FOLDERS = ("tree", "superseded")
# Of the journal: looked at in one go, and so little that stores may wait for it.
_PART_BYTES, _LITTLE_BYTES = 1 << 20, 16 << 10
_ROUNDS = 10
# So many files are open at most: where stores come faster than they are copied, the rest of those
# that came last is copied while stores wait.
_MOST_OPEN = 256


class BackupProgress(Protocol):
    """Is told what is done."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """What comes now, and how much of it there is in `unit`; 0: nobody knows."""

    def advance(self, count: int) -> None:
        """How much more of it is done."""

    def say(self, line: str) -> None:
        """A file that is not as it was received, or cannot be copied."""


@dataclass
class Backup:
    """What was done, in files; `faults` are those that are not as received, or not readable."""

    copied: int = 0
    unchanged: int = 0
    removed: int = 0
    bytes: int = 0
    faults: int = 0


class _Change(NamedTuple):
    """A copy that is not as its file is, which is open; without one it is to go."""

    path: Path
    target: Path
    source: BinaryIO | None


def back_up(
    archive: Archive, to: Path, progress: BackupProgress, worklist: Path | None = None
) -> Backup:
    """Bring the backup `to` up to the archive; only what changed is copied.

    `worklist`: the folder of entries, which goes to worklist/ there, wherever it lies. Raises
    FolderError where `to` cannot be one, ResourceError where it cannot go on: what is there then
    is brought to its end by the next one.
    """
    try:
        with claimed(archive.tree.data, to), unchanged(archive.journal.folder):
            done = _Copy(archive, to, progress).run()
            if worklist is not None:
                bring_entries(worklist, to / "worklist")
            return done
    except OSError as error:
        raise ResourceError(f"{error.filename or to}: {error.strerror}") from error


class _Copy:
    """One run."""

    def __init__(self, archive: Archive, to: Path, progress: BackupProgress) -> None:
        self._archive = archive
        self._data = archive.tree.data
        self._tree = self._data / "tree"
        self._to = to
        self._progress = progress
        self._done = Backup()
        self._copies = FileCopies(to)
        self._journal = JournalCopy(archive.journal, to, self._copies)
        self._doubtful: list[Path] = []  # copied, and not what the index says of them

    def run(self) -> Backup:
        with self._archive.tree.all_locked():  # what is told of before lies in its place by now
            start = self._end()
        for name in _FOLDERS:
            self._bring_all(name)
        copies = self._done.copied + self._done.unchanged
        self._progress.begin("looking for what is not held any more", copies, "files")
        for name in _FOLDERS:
            self._remove_stale(name)
        self._journal.bring(states(self._archive.journal))
        start = self._catch_up(start)
        with self._archive.tree.all_locked():
            last = self._changes_left(start)
            at_last = states(self._archive.journal)
        self._bring(last)
        self._journal.bring(at_last)
        self._copies.sync()
        return self._done

    def _end(self) -> int:
        return self._archive.journal.size(RECEIPTS)

    def _bring_all(self, name: str) -> None:
        """Have the copy hold the files of a folder as they are when they are looked at."""
        total = counts(self._archive)["image"] if name == "tree" else 0
        self._progress.begin(f"copying {name}/", total, "files")
        for folder in _series(self._data / name):
            self._bring(self._changes_in(folder, self._to / folder.relative_to(self._data)))

    def _changes_in(self, folder: Path, copies: Path) -> Iterator[_Change]:
        for name in _names(folder):
            if name.endswith(".dcm"):
                faults = self._done.faults
                if change := self._change(f"{folder}/{name}", f"{copies}/{name}"):
                    yield change
                elif self._done.faults == faults:
                    self._done.unchanged += 1
                self._progress.advance(1)

    def _remove_stale(self, name: str) -> None:
        """Remove the copies of what is not in the archive, and what an earlier run left half-done.

        What comes back meanwhile the journal tells of, and so is brought again.
        """
        for copies in _series(self._to / name):
            folder = self._data / copies.relative_to(self._to)
            stale = []
            for one in _names(copies):
                if not _status(f"{folder}/{one}"):
                    stale.append(one)
                self._progress.advance(1)
            for one in stale:
                self._remove(copies / one)

    def _catch_up(self, start: int) -> int:
        """Bring what the journal tells of from a position on, until little is left; where."""
        for _ in range(_ROUNDS):
            end = self._end()
            if end - start <= _LITTLE_BYTES:
                break
            while start < end:
                part = self._archive.journal.end_of_lines(RECEIPTS, start, _PART_BYTES)
                if part == start:  # the next line is still to come
                    break
                self._bring(self._changes_told(start, part, wait=True))
                start = part
        return start

    def _changes_left(self, start: int) -> list[_Change]:
        """What is to be done still, while no store is under way."""
        left: list[_Change] = []
        for change in self._changes_told(start, self._end()):
            left.append(change)
            if len(left) >= _MOST_OPEN:
                self._copy(left)
                left.clear()
        return left

    def _changes_told(self, start: int, end: int, wait: bool = False) -> Iterator[_Change]:
        """What is to be done after these lines; `wait` for who wrote them to have done it."""
        uids = {uids for uids, _ in in_journal(self._archive.journal, start, end)}
        for one in sorted(uids):
            if wait:
                with self._archive.tree.locked(one):
                    pass
            path = self._tree / relative_path(one)
            change = self._change(str(path), str(self._to / path.relative_to(self._data)))
            if change:
                yield change
        for study, series in sorted({one[:2] for one in uids}):
            yield from self._displaced(Path("superseded", study, series))

    def _displaced(self, series: Path) -> Iterator[_Change]:
        """What came to a folder of superseded/, or went: by its names, which are used once."""
        here, there = (
            {name for name in _names(top / series) if name.endswith(".dcm")}
            for top in (self._data, self._to)
        )
        for name in sorted(here ^ there):
            path = self._data / series / name
            if change := self._change(str(path), str(self._to / series / name)):
                yield change

    def _change(self, path: str, target: str) -> _Change | None:
        """What has the copy of a file be as the file is; None: it is."""
        held, there = _status(path), _status(target)
        if held and there:
            is_same = (held.st_size, held.st_mtime_ns) == (there.st_size, there.st_mtime_ns)
            if is_same:
                return None
        if held:
            try:
                return _Change(Path(path), Path(target), open_source(path))
            except FileNotFoundError:  # deleted or displaced just now
                pass
            except UnreadableFileError as error:
                self._tell(path, error)
                return None
        return _Change(Path(path), Path(target), None) if there else None

    def _bring(self, changes: Iterable[_Change]) -> None:
        """Do what is to be done, and see whether what was copied is what was received."""
        self._copy(changes)
        for path in self._doubtful:
            self._verify(path)
        self._doubtful.clear()

    def _copy(self, changes: Iterable[_Change]) -> None:
        for change in changes:
            if change.source:
                self._add(change.path, change.source, change.target)
            else:
                self._remove(change.target)
        self._copies.flush()

    def _add(self, path: Path, source: BinaryIO, target: Path) -> None:
        try:
            with source:
                size = os.fstat(source.fileno()).st_size
                digest = self._copies.add(source, target)
        except UnreadableFileError as error:
            self._tell(str(path), error)
            return
        self._done.copied += 1
        self._done.bytes += size
        self._look(path, digest)

    def _remove(self, target: Path) -> None:
        self._copies.remove(target)
        self._done.removed += 1

    def _look(self, path: Path, digest: str) -> None:
        """Hold what was copied to the digest taken at its receipt."""
        if path.is_relative_to(self._tree):
            known = digest_in(self._archive.index, named_by(self._tree, path))
            if known and digest != known:
                self._doubtful.append(path)

    def _verify(self, path: Path) -> None:
        """Tell of a file that is damaged; one that was replaced in between is copied once more."""
        uids, tree = named_by(self._tree, path), self._archive.tree
        with tree.locked(uids):
            known = digest_in(self._archive.index, uids)
            is_damaged = tree.holds(uids) and _digest(tree, uids) != known
        if is_damaged:
            self._tell(str(path), "not the bytes that were received")

    def _tell(self, path: str, fault: object) -> None:
        self._done.faults += 1
        self._progress.say(f"{path}: {fault}")


def _series(top: Path) -> Iterator[Path]:
    """The folders of series below a folder of instances, one study after the other."""
    for study in _folders(top):
        yield from _folders(study)


def _folders(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir():
            yield Path(entry.path)


def _names(folder: Path) -> Iterator[str]:
    return (entry.name for entry in _entries(folder))


def _entries(folder: Path) -> "Iterator[os.DirEntry[str]]":
    """What lies in a folder, as it is asked for; in one that is not there, nothing."""
    try:
        found = os.scandir(folder)
    except FileNotFoundError:
        return
    with closing(found):
        yield from found


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _digest(files: Files, uids: Uids) -> str:
    """The digest of the data set in the file of an instance; of what cannot be read, nothing."""
    try:
        return files.digest(uids)
    except (DataSetError, OSError):
        return ""
