"""Files under superseded/ that were looked for, in a temporary file: many take no more memory."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from storage.diagnostics import ResourceError
from storage.files import Kept

_TABLE = (
    "CREATE TABLE kept (study BLOB, series BLOB, instance BLOB, copy BLOB, since REAL, "
    "bytes INTEGER, path BLOB, PRIMARY KEY (study, series, instance, copy)) WITHOUT ROWID"
)
_ADD = (
    "INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "since = excluded.since, bytes = excluded.bytes, path = excluded.path "
    "WHERE excluded.since >= since"
)
# Where SQLite looks for a place (sqlite.org/tempfiles.html), and what it is to have free.
_PLACES = (*map(os.environ.get, ("SQLITE_TMPDIR", "TMPDIR")), "/var/tmp", "/usr/tmp", "/tmp", ".")
_ROOM_BYTES = 64 << 20
_ALL = "SELECT path, study, series, instance, since, bytes FROM kept"


class KeptFiles(Sequence[Kept]):
    """Each of some files, or only the last one of each instance; in the order of their UIDs."""

    def __init__(self, files: Iterable[Kept], only_last: bool = False) -> None:
        """Raises ResourceError, and what the iteration over the files does."""
        self._only_last = only_last
        self._db = sqlite3.connect("" if _has_room() else ":memory:")
        self._db.execute(_TABLE)
        self.add(files)

    def add(self, files: Iterable[Kept]) -> None:
        """Take some more. Raises ResourceError, and what the iteration does."""
        for one in files:
            copy = "" if self._only_last else one.path.name
            names = [os.fsencode(name) for name in (*one.uids, copy)]  # whatever they are
            try:
                self._db.execute(_ADD, (*names, one.since, one.bytes, bytes(one.path)))
            except sqlite3.Error as error:
                words = "the names of what is in superseded/ find no room among temporary files"
                raise ResourceError(f"{words}: {error}") from error

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return int(self._db.execute("SELECT TOTAL(bytes) FROM kept").fetchone()[0])

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM kept").fetchone()[0])

    def __iter__(self) -> Iterator[Kept]:
        for *names, since, size in self._db.execute(_ALL):
            path, study, series, instance = map(os.fsdecode, names)
            yield Kept(Path(path), (study, series, instance), since, size)

    @overload
    def __getitem__(self, number: int) -> Kept: ...
    @overload
    def __getitem__(self, number: slice) -> list[Kept]: ...
    def __getitem__(self, number: int | slice) -> Kept | list[Kept]:
        return list(self)[number]


def _has_room() -> bool:
    """Whether a temporary file may grow: what gives room back on a full disk must not need it."""
    for place in filter(None, _PLACES):
        if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            held = os.statvfs(place)
            return held.f_bavail * held.f_frsize >= _ROOM_BYTES
    return False
