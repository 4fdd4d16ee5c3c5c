"""Files under superseded/ that were looked for, in a temporary file: many take no more memory."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from storage.files import Kept

_TABLE = (
    "CREATE TABLE kept (study TEXT, series TEXT, instance TEXT, copy TEXT, since REAL, "
    "bytes INTEGER, path TEXT, PRIMARY KEY (study, series, instance, copy)) WITHOUT ROWID"
)
_ADD = (
    "INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "since = excluded.since, bytes = excluded.bytes, path = excluded.path "
    "WHERE excluded.since >= since"
)
_ALL = "SELECT path, study, series, instance, since, bytes FROM kept"


class KeptFiles(Sequence[Kept]):
    """Each of some files, or only the last one of each instance; in the order of their UIDs."""

    def __init__(self, files: Iterable[Kept], only_last: bool = False) -> None:
        """Raises what the iteration over the files does."""
        self._only_last = only_last
        self._db = sqlite3.connect("")  # a temporary file
        self._db.execute(_TABLE)
        self.add(files)

    def add(self, files: Iterable[Kept]) -> None:
        """Take some more."""
        for one in files:
            copy = "" if self._only_last else one.path.name
            self._db.execute(_ADD, (*one.uids, copy, one.since, one.bytes, str(one.path)))

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return int(self._db.execute("SELECT TOTAL(bytes) FROM kept").fetchone()[0])

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM kept").fetchone()[0])

    def __iter__(self) -> Iterator[Kept]:
        for path, study, series, instance, since, size in self._db.execute(_ALL):
            yield Kept(Path(path), (study, series, instance), since, size)

    @overload
    def __getitem__(self, number: int) -> Kept: ...
    @overload
    def __getitem__(self, number: slice) -> list[Kept]: ...
    def __getitem__(self, number: int | slice) -> Kept | list[Kept]:
        return list(self)[number]
