"""The journal as a table of lines, in the database of a shared archive.

Positions are given out while the right to write is held: so a line that is there has all before it
there, too. Within a transaction a line is part of that, and gone with it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from storage.files.objects.keys import uuid7
from storage.index.engines import Engine
from storage.journal import line_of, now, record_of
from storage.journal.segments import Line
from storage.sharing.ledger import LINE_BYTES

_PAGE = 1000
_ADD_ONCE = (
    "INSERT INTO line (name, line, token) SELECT ?, ?, ? "
    "WHERE NOT EXISTS (SELECT 1 FROM line WHERE token = ?)"
)
_ADD = "INSERT INTO line (name, line) VALUES (?, ?)"
_NAMES = "SELECT DISTINCT name FROM line ORDER BY name"
_SIZE = "SELECT COALESCE(MAX(position), 0) FROM line WHERE name = ?"
_AT = "SELECT line FROM line WHERE name = ? AND position = ?"
_READ = (
    "SELECT position, line FROM line WHERE name = ? AND position > ? AND position <= ? "
    f"ORDER BY position LIMIT {_PAGE}"
)
_END = (
    "SELECT COALESCE((SELECT MAX(position) FROM line WHERE name = ? AND position > ? "
    "AND position <= ?), (SELECT MIN(position) FROM line WHERE name = ? AND position > ?), ?)"
)
_LAST = (1 << 63) - 1


class TableJournal:
    """A `Journal` over the engine of the index; `folder` is this node's own.

    What reads raises ResourceError.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._identity = ""

    @property
    def folder(self) -> Path:
        """Where this node has what it makes of the lines."""
        return self._folder

    @property
    def syncs(self) -> bool:
        """A commit outlasts a power cut."""
        return True

    def prepare(self) -> None:
        """Nothing: the tables are there."""

    def identity(self) -> str:
        """What tells this journal from others; empty where it has none yet."""
        if not self._identity:
            with self._engine.reading():
                found = self._engine.execute("SELECT identity FROM ledger", ())
            self._identity = str(found[0][0]) if found else ""
        return self._identity

    def make_identity(self) -> str:
        """The same: it came with the tables."""
        return self.identity()

    def forget_identity(self) -> None:
        """Have it be asked for again: it is another one."""
        self._identity = ""

    def compacted(self, name: str) -> int:
        """No line has gone."""
        return 0

    def close(self) -> None:
        """Nothing is open."""

    def now(self) -> str:
        """The time, as the next line tells it."""
        return now()

    def turn(self) -> AbstractContextManager[None]:
        """Have nobody else add a line meanwhile. Raises ResourceError."""
        return self._engine.writing()

    def append(self, name: str, **record: Any) -> None:
        """Add a line `name`, durably. Raises ResourceError."""
        self.append_all(name, [record])

    def append_all(self, name: str, records: Iterable[dict[str, Any]]) -> None:
        """Add lines, durably and together. Raises ResourceError."""
        self._add(name, [line_of(record) for record in records])

    def names(self) -> list[str]:
        """Of what there are lines."""
        with self._engine.reading():
            return [str(name) for (name,) in self._engine.execute(_NAMES, ())]

    def append_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """Add lines as another journal has them. Raises ResourceError: of none is known then."""
        with self._engine.writing():
            self._engine.execute_each(_ADD, [(name, text.decode()) for text in texts])

    def write_line(self, name: str, line: bytes) -> int:
        """Add a line of `line_of`. Raises ResourceError."""
        self._add(name, [line])
        return 0

    def sync(self, name: str, number: int) -> None:
        """Nothing: what is committed is durable."""

    def sync_lines(self, name: str) -> None:
        """The same."""

    def _add(self, name: str, lines: list[bytes]) -> None:
        """Add lines once, also where that is tried again."""
        given = [(line.decode().strip("\n"), str(uuid7())) for line in lines]

        def add() -> None:
            for text, token in given:
                self._engine.execute(_ADD_ONCE, (name, text, token, token))

        if given:
            self._engine.write(add)

    def size(self, name: str) -> int:
        """The position of the last line."""
        with self._engine.reading():
            return int(self._engine.execute(_SIZE, (name,))[0][0])

    def state(self, name: str) -> object:
        """The same: no line is changed."""
        return self.size(name)

    def tail(self, name: str, position: int) -> str:
        """A digest of the line at a position; empty where there is none."""
        if not position:
            return hashlib.sha256(b"0").hexdigest()
        with self._engine.reading():
            found = self._engine.execute(_AT, (name, position))
        told = b"%d" % position + str(found[0][0]).encode() if found else b""
        return hashlib.sha256(told).hexdigest() if found else ""

    def end_of_lines(self, name: str, start: int, most: int) -> int:
        """How far can be read from `start` on, for about `most` bytes, and a line at the least."""
        with self._engine.reading():
            given = (name, start, start + most, name, start, start)
            return int(self._engine.execute(_END, given)[0][0])

    def pieces(self, name: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
        """From where to where lines lie, about `most` bytes at a time, up to `end`."""
        while start < end:
            stop = self.end_of_lines(name, start, min(most, end - start))
            if stop == start or stop > end:
                return
            yield start, stop
            start = stop

    def read(
        self, name: str, start: int = 0, end: int | None = None,
        may_be: Callable[[bytes], bool] = lambda text: True,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """The records of `name` behind a position, in the order of their writing."""
        for line in self.lines(name, start, end):
            if may_be(line.text) and (record := record_of(line.text)) is not None:
                yield record

    def lines(self, name: str, start: int = 0, end: int | None = None) -> Iterator[Line]:
        """The lines of `name` as they are, with their positions."""
        last = _LAST if end is None else end
        while start < last:
            with self._engine.reading():
                rows = self._engine.execute(_READ, (name, start, last))
            for position, text in rows:
                yield Line(position - LINE_BYTES, position, text.encode())
            if len(rows) < _PAGE:
                return
            start = rows[-1][0]

    def faults(self) -> list[str]:
        """None: a database sees to itself."""
        return []
