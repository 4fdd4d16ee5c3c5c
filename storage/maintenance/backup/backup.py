"""A copy of tree, superseded/ and journal that agree with each other, made while a node serves.

All that can take long is copied first. Then stores are held up for the moment that it takes to
copy what came meanwhile.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from storage.archive import Archive
from storage.diagnostics import DataSetError, ResourceError
from storage.dicom import part10
from storage.dicom.values import Uids
from storage.files import Files, copy_of_rest, named_by, prune, relative_path, sync_folder
from storage.index import digest_in
from storage.journal import RECEIPTS, in_journal
from storage.maintenance.backup.backup_folder import claim

_BLOCK_BYTES = 1 << 20
# Less of the journal than this is copied while stores wait.
_LITTLE_BYTES = 64 * 1024
_ROUNDS = 10

# Is told of each file: its bytes.
Progress = Callable[[int], None]


@dataclass
class Backup:
    """What was done; `faults` are files whose bytes are not those that were received."""

    copied: int = 0
    unchanged: int = 0
    removed: int = 0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)


def back_up(archive: Archive, to: Path, progress: Progress) -> Backup:
    """Bring the backup `to` up to the archive; only what changed is copied.

    Raises FolderError where `to` cannot be one, ResourceError where it cannot go on: what is
    there then is brought to its end by the next one.
    """
    data = archive.tree.data
    claim(data, to)
    copy = _Copy(archive, to, progress)
    try:
        return copy.run()
    except OSError as error:
        raise ResourceError(f"{error.filename or to}: {error.strerror}") from error


class _Copy:
    """One run."""

    def __init__(self, archive: Archive, to: Path, progress: Progress) -> None:
        self._archive = archive
        self._data = archive.tree.data
        self._tree = self._data / "tree"
        self._to = to
        self._progress = progress
        self._done = Backup()
        self._folders: set[Path] = set()
        self._changed: set[Uids] = set()  # what the journal has told of since the beginning
        self._is_alone = False  # no store can come in between

    def run(self) -> Backup:
        start = self._archive.journal.size(RECEIPTS)
        for name in ("tree", "superseded"):
            for path in sorted(self._files(name)):
                self._bring(path)
        for _ in range(_ROUNDS):
            end = self._archive.journal.size(RECEIPTS)
            self._changed_since(start, end)
            start, is_little = end, end - start <= _LITTLE_BYTES
            if is_little:
                break
        gone = self._gone()
        for path in self._closed():  # which never change
            self._copy_journal(path)
        with self._archive.tree.all_locked():
            self._is_alone = True
            self._changed_since(start, self._archive.journal.size(RECEIPTS))
            self._remove(gone)
            for path in (*self._closed(), *sorted((self._data / "journal").glob("*.jsonl"))):
                self._copy_journal(path)
            self._copy_identity()
        for folder in sorted(self._folders):
            sync_folder(folder)
        return self._done

    def _files(self, name: str) -> Iterator[Path]:
        return (self._data / name).glob("*/*/*.dcm")

    def _changed_since(self, start: int, end: int) -> None:
        uids = {uids for uids, _ in in_journal(self._archive.journal, start, end)}
        for one in sorted(uids):
            self._bring(self._tree / relative_path(one))
        # What they displaced: not all of superseded/, while stores wait.
        for study, series in sorted({one[:2] for one in uids}):
            for path in self._archive.tree.superseded.walk(study, series):
                self._bring(path, again=True)
        self._changed |= uids

    def _bring(self, path: Path, again: bool = False) -> None:
        """Have the copy of a file be as the file is."""
        target = self._to / path.relative_to(self._data)
        try:
            held = path.stat()
        except FileNotFoundError:  # deleted or replaced since; `_remove_gone` sees to the copy
            return
        try:
            there = target.stat()
            same = (there.st_size, there.st_mtime_ns) == (held.st_size, held.st_mtime_ns)
        except FileNotFoundError:
            same = False
        if same:
            self._done.unchanged += not again
        else:
            self._copy(path, target, held)
        if not again:
            self._progress(held.st_size)

    def _copy(self, path: Path, target: Path, held: os.stat_result) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = target.with_suffix(".part")
        with path.open("rb") as source, fresh.open("wb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            head = _head_bytes(source)
            copy.write(source.read(head))
            digest = copy_of_rest(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        os.utime(fresh, ns=(held.st_atime_ns, held.st_mtime_ns))
        os.replace(fresh, target)
        self._folders |= {target.parent, target.parent.parent, target.parent.parent.parent}
        self._done.copied += 1
        self._done.bytes += held.st_size
        self._verify(path, digest)

    def _verify(self, path: Path, digest: str) -> None:
        """Hold what was copied to the digest taken at its receipt."""
        uids = named_by(self._tree, path) if path.is_relative_to(self._tree) else None
        known = digest_in(self._archive.index, uids) if uids else None
        if uids is None or not known or digest == known:
            return
        # It may have been replaced in between: then it is copied once more.
        tree = self._archive.tree
        with nullcontext() if self._is_alone else tree.locked(uids):
            known = digest_in(self._archive.index, uids)
            is_damaged = tree.holds(uids) and _digest(tree, uids) != known
        if is_damaged:
            self._done.faults.append(f"{path}: not the bytes that were received")

    def _gone(self) -> list[Path]:
        """The copies of what is not in the archive; looked for before stores are held up."""
        copies = (one for name in ("tree", "superseded") for one in (self._to / name).glob("*/*/*"))
        return [one for one in copies if not (self._data / one.relative_to(self._to)).exists()]

    def _remove(self, gone: list[Path]) -> None:
        """Remove these copies, and those of what went meanwhile, unless it came back."""
        copies = {self._to / "tree" / relative_path(uids) for uids in self._changed}
        for study, series in {uids[:2] for uids in self._changed}:
            copies.update((self._to / "superseded" / study / series).glob("*"))
        for copy in copies.union(gone):
            if copy.exists() and not (self._data / copy.relative_to(self._to)).exists():
                copy.unlink()
                prune(copy)
                self._done.removed += 1

    def _closed(self) -> list[Path]:
        """The closed segments of the journal that the backup lacks, or has in part."""
        found = sorted((self._data / "journal").glob("*/*.jsonl"))
        copies = ((path, self._to / path.relative_to(self._data)) for path in found)
        return [
            path
            for path, copy in copies
            if not copy.exists() or copy.stat().st_size != path.stat().st_size
        ]

    def _copy_identity(self) -> None:
        """A journal that is restored is the same one as far as it goes."""
        text = self._archive.journal.make_identity()
        target = self._to / "journal" / "identity"
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.write_text(f"{text}\n")
        target.chmod(0o600)
        self._folders.add(target.parent)

    def _copy_journal(self, source: Path) -> None:
        target = self._to / source.relative_to(self._data)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        start = target.stat().st_size if target.exists() else 0
        if start and (start > source.stat().st_size or not _begins(source, target, start)):
            start = 0
        with source.open("rb") as read, target.open("r+b" if start else "wb") as write:
            os.fchmod(write.fileno(), 0o600)
            read.seek(start)
            write.seek(start)
            shutil.copyfileobj(read, write, _BLOCK_BYTES)
            write.flush()
            os.fsync(write.fileno())
        self._folders |= {target.parent, self._to / "journal", self._to}


def _begins(source: Path, target: Path, length: int) -> bool:
    """Whether the last block of `target` is that of `source` at the same place."""
    with source.open("rb") as one, target.open("rb") as other:
        at = max(length - _BLOCK_BYTES, 0)
        one.seek(at)
        other.seek(at)
        return one.read(length - at) == other.read(length - at)


def _head_bytes(file: BinaryIO) -> int:
    """How long the Part 10 header of a file is, which is then read from its start; 0: has none."""
    try:
        length = part10.read(file).data_set_offset
    except DataSetError:
        length = 0
    file.seek(0)
    return length


def _digest(files: Files, uids: Uids) -> str:
    """The digest of the data set in the file of an instance; of what is none, nothing."""
    try:
        return files.digest(uids)
    except DataSetError:
        return ""
