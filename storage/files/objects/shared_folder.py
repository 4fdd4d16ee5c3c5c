"""Objects in a folder that several nodes have: of CephFS, NFS, or whatever file system is shared.

What is known of a file beside its header lies beside it, as JSON. Nothing is locked: a key is
never used twice, and what is there is never changed.
"""

import errno
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from storage.files import FileFacts, instances, prune, sync_file, sync_folder, write_all
from storage.files.objects.contract import HeldObject, ListedObject, Source
from storage.files.objects.keys import MARK, TREE, uuid7
from storage.files.objects.metadata import facts_from, texts_of
from storage.files.objects.store_faults import StoreError, TakenError

_CHUNK = 1 << 20
_NOT_ITS_OWN = "These are another archive's objects"
_KNOWN_FOLDERS = 4096
_PRUNED_TRIES = 8  # others remove folders that are empty
# What the system says, and what is to be done about it.
_REMEDIES = {
    errno.ENOSPC: "give it more room",
    errno.EDQUOT: "give it more room",
    errno.EROFS: "have it mounted to be written",
    errno.EACCES: "let this user read and write there",
    errno.EPERM: "let this user read and write there",
    errno.EMLINK: "take a file system that has hard links",
    errno.EOPNOTSUPP: "take a file system that has hard links",
}


class SharedFolder:
    """Objects below one folder, as files by their keys; `sync`: each outlasts a power cut.

    A file system whose server is gone may hold up a call for as long as it is mounted so.
    """

    def __init__(self, root: Path, sync: bool = True) -> None:
        self.name = f"file://{root}"
        self._root = root
        self._incoming = root / "incoming"
        self._sync = sync
        self._durable: dict[Path, int] = {}  # folder -> inode, its way from the root lasts

    def adopt(self, identity: str) -> None:
        """Have a mark in the folder, made where the folder is empty but for what systems put there.

        So a folder on which nothing is mounted is not taken for one.
        """
        mark = self._root / MARK
        with self._told():
            try:
                found = mark.read_text()
            except FileNotFoundError:
                if (self._root / TREE).exists():
                    raise StoreError(f"{_NOT_ITS_OWN}: {self.name}", is_final=True) from None
                mark.write_text(identity)
                sync_file(mark)
                for folder in (self._root / TREE, self._incoming):
                    folder.mkdir(exist_ok=True)
                sync_folder(self._root)
                return
        if found != identity:
            raise StoreError(f"{_NOT_ITS_OWN}: {self.name}", is_final=True)

    def identity(self) -> str:
        """By its mark."""
        with self._told():
            try:
                return (self._root / MARK).read_text()
            except FileNotFoundError:
                return ""

    def put(self, key: str, source: Source, facts: FileFacts) -> None:
        """Write a file beside and give it its name, which nobody else has. Raises StoreError."""
        part = self._incoming / f"{uuid7()}.part"
        with self._told():
            self._require_mark()
            try:
                self._write(part, source, facts.arrived)
                self._place(part, self._path(key), json.dumps(texts_of(facts)))
            finally:
                with suppress(OSError):
                    part.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        """The file itself."""
        with self._told():
            return self._path(key).open("rb")

    def expect(self, keys: Iterable[str], whole: bool = True) -> None:
        """Nothing: the system reads ahead."""

    def held(self, key: str) -> HeldObject:
        """By its file, and what lies beside it."""
        path = self._path(key)
        with self._told():
            size = path.stat().st_size
            try:
                texts = json.loads(_beside(path).read_text())
            except (FileNotFoundError, ValueError):
                return HeldObject(size, None)
        is_ours = isinstance(texts, dict) and all(isinstance(one, str) for one in texts.values())
        return HeldObject(size, facts_from(texts) if is_ours else None)

    def remove(self, key: str) -> None:
        """First the file: what lies beside it alone is nobody's."""
        path = self._path(key)
        with self._told():
            path.unlink(missing_ok=True)
            _beside(path).unlink(missing_ok=True)
            prune(path)

    def list(self, *above: str) -> Iterator[ListedObject]:
        """As they are found."""
        found = instances(self._root / TREE, *above)
        while True:
            with self._told():
                uids = next(found, None)
                if uids is None:
                    return
                key = f"{TREE}/{'/'.join(uids)}.dcm"
                try:
                    held = self._path(key).stat()
                except FileNotFoundError:
                    continue
            yield ListedObject(key, held.st_size, held.st_ctime)

    def probe(self) -> None:
        """Write, link, read and remove a small file."""
        part, path = (self._incoming / f"{uuid7()}{end}" for end in (".part", ".probe"))
        with self._told():
            self._require_mark()
            try:
                self._write(part, [b"minipacs"], 0)
                os.link(part, path)
                path.read_bytes()
            finally:
                for one in (part, path):
                    with suppress(OSError):
                        one.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / key

    def _require_mark(self) -> None:
        if not (self._root / MARK).exists():
            raise StoreError(f"No archive's objects lie there: {self.name}; is it mounted?")

    def _write(self, part: Path, source: Source, arrived: int) -> None:
        with part.open("xb", buffering=0) as file:
            for data in _chunks(source) if isinstance(source, Path) else source:
                write_all(file.fileno(), memoryview(data))
            os.utime(file.fileno(), ns=(arrived, arrived))
            if self._sync:
                os.fsync(file.fileno())

    def _place(self, part: Path, path: Path, texts: str) -> None:
        """Give a file its name, and have what is known of it lie beside."""
        beside = part.with_suffix(".json")
        try:
            beside.write_text(texts)
            if self._sync:
                sync_file(beside)
            self._link(part, path)
            os.rename(beside, _beside(path))
            if self._sync:
                sync_folder(path.parent)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def _link(self, part: Path, path: Path) -> None:
        for tried in itertools.count(1):
            try:
                self._make_folder(path.parent)
                os.link(part, path)  # a rename would take the place of another
                return
            except FileNotFoundError:
                if tried == _PRUNED_TRIES or not part.exists():
                    raise
            except FileExistsError as error:
                raise TakenError(
                    f"There is another object under the key: {self.name}", is_final=True
                ) from error

    def _make_folder(self, folder: Path) -> None:
        """Have a series' folder, and the way to it be durable, also where another made it."""
        folder.mkdir(parents=True, exist_ok=True)
        inode = folder.stat().st_ino
        if self._sync and self._durable.get(folder) != inode:
            for above in (folder.parent, folder.parent.parent):
                sync_folder(above)
            if len(self._durable) >= _KNOWN_FOLDERS:
                self._durable.clear()
            self._durable[folder] = inode

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (StoreError, FileNotFoundError):
            raise
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "see to the file system")
            raise StoreError(f"{error.strerror}: {self.name}; {remedy}") from error


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            yield data
