"""What is noted of lines, by keys, while all segments are gone through: in a temporary file.

So any number of them takes the same memory.
"""

import sqlite3
from collections.abc import Iterable

_TABLE = """
CREATE TABLE note (key BLOB PRIMARY KEY, state TEXT, stays INTEGER DEFAULT 0) WITHOUT ROWID
"""
_WRITE = """
INSERT INTO note (key, state) VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state
"""
_READ = "SELECT state FROM note WHERE key = ?"
_STAYS = "SELECT stays FROM note WHERE key = ?"


class Notes:
    """A state by key, and whether a line of it stays. Every method raises sqlite3.Error."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(_TABLE)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Forget all."""
        self._db.close()

    def write(self, states: Iterable[tuple[bytes, str]]) -> None:
        """Note what the states are now."""
        self._db.executemany(_WRITE, states)

    def state(self, key: bytes) -> str | None:
        """The last one noted; None where there is none."""
        found = self._db.execute(_READ, (key,)).fetchone()
        return str(found[0]) if found else None

    def stay(self, key: bytes) -> None:
        """Note that a line stays."""
        self._db.execute("UPDATE note SET stays = 1 WHERE key = ?", (key,))

    def stays(self, key: bytes) -> bool:
        """Whether one does."""
        found = self._db.execute(_STAYS, (key,)).fetchone()
        return bool(found and found[0])
