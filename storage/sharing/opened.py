"""What a process uses of a shared archive: opened once, and by each process for itself."""

import os
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.diagnostics import FolderError, ResourceError
from storage.files import put_files_back, put_files_elsewhere
from storage.files.objects.cache import CacheFolder
from storage.files.objects.contract import ObjectStore
from storage.files.objects.shared_folder import SharedFolder
from storage.index import PostgresIndex, open_postgres, put_back, put_elsewhere
from storage.journal import put_journal_back, put_journal_elsewhere
from storage.sharing.place import (
    SharedPlace,
    StorePlace,
    forget_place,
    note_place,
    shared_place,
)
from storage.sharing.shared_tree import SharedTree
from storage.sharing.table_journal import TableJournal

_INDEX = "{}_index"


class Shared:
    """A shared archive as this process uses it; nothing is asked of it before it has to be."""

    def __init__(self, data: Path, place: SharedPlace) -> None:
        """Raises ResourceError where the address is none, or psycopg is not installed."""
        self.data, self.place = data, place
        self.index: PostgresIndex = open_postgres(
            place.index_url, _INDEX.format(place.schema), place.schema
        )
        self.engine = self.index.engine
        self.journal = TableJournal(self.engine, data / "journal")
        self._lock = threading.Lock()
        self._store: ObjectStore | None = None
        self.tree = SharedTree(data, self.engine, self.store, place.store.url)
        self.objects = self.tree.objects

    def store(self) -> ObjectStore:
        """The objects. Raises StoreError; a process that has used them forks no other."""
        with self._lock:
            if self._store is None:
                self._store = open_store(self.place.store)
            return self._store


def open_store(place: StorePlace) -> ObjectStore:
    """The objects at a place; nothing is asked yet. Raises FolderError, StoreError."""
    url = urlsplit(place.url)
    if url.scheme == "file" and not url.netloc and url.path.startswith("/"):
        return SharedFolder(Path(unquote(url.path)))
    if url.scheme != "s3" or not url.netloc:
        raise FolderError(f"{place.url}: takes s3://bucket/prefix or file:///folder")
    from storage.files.objects.s3 import Bucket, open_bucket

    cache = CacheFolder(place.cache, place.cache_bytes) if place.cache else None
    prefix = url.path.strip("/")
    region = place.region or "us-east-1"
    bucket = Bucket(url.netloc, place.endpoint, place.access_key, place.secret_key, prefix, region)
    return open_bucket(bucket, cache)


def share(data: Path, place: SharedPlace) -> None:
    """Have index, journal and files of a data folder lie there.

    From now on, in this process and those that it forks; nothing is opened by that. What was
    opened of the folder before is not.
    """
    note_place(data, place)
    put_elsewhere(data, lambda: shared_of(data).index)
    put_journal_elsewhere(data, lambda: shared_of(data).journal)
    put_files_elsewhere(data, lambda: shared_of(data).tree)


def leave(data: Path) -> None:
    """Have nothing of a data folder lie elsewhere any more, and close what this process opened."""
    with _lock:
        pid, _, found = _opened.pop(data, (0, None, None))
    if found and pid == os.getpid():
        found.engine.close()
    for forget in (forget_place, put_back, put_journal_back, put_files_back):
        forget(data)


_opened: dict[Path, tuple[int, SharedPlace, Shared]] = {}
_lock = threading.Lock()


def shared_of(data: Path) -> Shared:
    """The archive of a data folder that is shared; the same for all threads of this process.

    Raises ResourceError.
    """
    place = shared_place(data)
    if place is None:
        raise ResourceError(f"{data}: is not shared")
    with _lock:
        pid, opened_at, found = _opened.get(data, (0, None, None))
        if found is None or pid != os.getpid() or opened_at != place:
            found = Shared(data, place)
            _opened[data] = os.getpid(), place, found
        return found
