"""The tables of a shared archive beside those of its index: lines, and states of objects.

Who writes holds the archive's right to write, as for the index, and in the same transaction.
"""

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from storage.dicom.values import Uids
from storage.files import FileFacts
from storage.index.engines import Engine

# What a line counts for in positions: about the bytes of a receipt, by which others reckon.
LINE_BYTES = 256
_PAGE = 1000

TABLES = (
    "CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), "
    'identity TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL)',
    "CREATE TABLE line (position BIGINT GENERATED ALWAYS AS IDENTITY "
    f'(START {LINE_BYTES} INCREMENT {LINE_BYTES}) PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, '
    'token TEXT COLLATE "C", line TEXT COLLATE "C" NOT NULL)',
    "CREATE INDEX line_name ON line (name, position)",
    "CREATE UNIQUE INDEX line_token ON line (token) WHERE token IS NOT NULL",
    'CREATE TABLE object (key TEXT COLLATE "C" PRIMARY KEY, study TEXT COLLATE "C" NOT NULL, '
    'series TEXT COLLATE "C" NOT NULL, instance TEXT COLLATE "C" NOT NULL, '
    'state TEXT COLLATE "C" NOT NULL, since BIGINT NOT NULL, digest TEXT COLLATE "C" NOT NULL, '
    'bytes BIGINT NOT NULL, syntax TEXT COLLATE "C" NOT NULL, charset TEXT COLLATE "C" NOT NULL, '
    'sender TEXT COLLATE "C" NOT NULL, arrived BIGINT NOT NULL, received BIGINT NOT NULL)',
    "CREATE UNIQUE INDEX object_held ON object (study, series, instance) WHERE state = 'held'",
    "CREATE INDEX object_superseded ON object (study, series, instance) WHERE state = 'superseded'",
    "CREATE INDEX object_to_delete ON object (since) WHERE state = 'to_delete'",
)
# Raised where these are other tables.
VERSION = 1

IS_EMPTY = "SELECT NOT EXISTS (SELECT 1 FROM line) AND NOT EXISTS (SELECT 1 FROM object)"
TAKE_IDENTITY = "UPDATE ledger SET identity = ?"

_COLUMNS = (
    "key, study, series, instance, state, since, "
    "digest, bytes, syntax, charset, sender, arrived, received"
)
_PLACES = ", ".join("?" * 13)
_ADD = f"INSERT INTO object ({_COLUMNS}) VALUES ({_PLACES})"
_ADD_WITH_LINE = f"WITH added AS ({_ADD}) INSERT INTO line (name, line) VALUES (?, ?)"
_OF_INSTANCE = "study = ? AND series = ? AND instance = ?"


class State(StrEnum):
    """What an object is: of its instance the one that is held, one of before, or to go."""

    HELD = "held"
    SUPERSEDED = "superseded"
    TO_DELETE = "to_delete"


class ObjectRow(NamedTuple):
    """An object that is known: `since` when it is what it is, in milliseconds since 1970."""

    key: str
    uids: Uids
    state: State
    since: int
    facts: FileFacts


class Objects:
    """The states of objects. What asks for them raises ResourceError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def held(self, uids: Uids) -> ObjectRow | None:
        """The one that an instance has."""
        found = self._rows(f"{_OF_INSTANCE} AND state = 'held'", *uids)
        return found[0] if found else None

    def held_or_own(self, uids: Uids, key: str) -> list[ObjectRow]:
        """The same, and the one with a key, whatever that is."""
        return self._rows(f"key = ? OR ({_OF_INSTANCE} AND state = 'held')", key, *uids)

    def keys_of(self, instances: Sequence[Uids]) -> dict[Uids, str]:
        """The keys of those that instances have; asked together where they are of one series."""
        found: dict[Uids, str] = {}
        asked = self._engine.dialect.is_in_texts.format("instance")
        for (study, series), of_series in groupby(instances, lambda uids: uids[:2]):
            names = self._engine.dialect.listed([instance for _, _, instance in of_series])
            rows = self._rows(
                f"study = ? AND series = ? AND {asked} AND state = 'held'", study, series, names
            )
            found |= {one.uids: one.key for one in rows}
        return found

    def superseded(self, *above: str) -> Iterator[ObjectRow]:
        """Those of before, or of a study, series or instance."""
        return self._paged("state = 'superseded'", *above)

    def all_held(self, *above: str) -> Iterator[ObjectRow]:
        """Those that are held, or of a study or series."""
        return self._paged("state = 'held'", *above)

    def to_delete(self, most: int) -> list[ObjectRow]:
        """Some of those that are to go, the oldest first."""
        return self._rows("state = 'to_delete'", order=f"ORDER BY since LIMIT {most:d}")

    def known(self, keys: list[str]) -> set[str]:
        """Those of some keys that have a row."""
        return self._of(keys)

    def still_held(self, keys: list[str]) -> set[str]:
        """Those of some keys that are held."""
        return self._of(keys, "AND state = 'held'")

    def newest_of(self, study: str) -> int | None:
        """When the newest that a study has arrived."""
        with self._engine.reading():
            statement = "SELECT MAX(arrived) FROM object WHERE study = ? AND state = 'held'"
            found = self._engine.execute(statement, (study,))[0][0]
        return None if found is None else int(found)

    def add(
        self, key: str, uids: Uids, state: State, facts: FileFacts,
        line: tuple[str, bytes] | None = None, since: int = 0,
    ) -> None:  # fmt: skip
        """Have a row of an object that is new, and a `line` of the journal, by its name.

        `since`: when it became what it is, in milliseconds since 1970, where that is not now.

        Of a transaction that writes, which sees to it that both are there once.
        """
        values = (
            key, *uids, str(state), since or _now(), facts.digest, facts.file_bytes,
            facts.transfer_syntax_uid, facts.charset, facts.sender, facts.arrived, facts.received,
        )  # fmt: skip
        if line is None:
            self._engine.execute(_ADD, values)
        else:
            name, text = line
            self._engine.execute(_ADD_WITH_LINE, (*values, name, text.decode().strip("\n")))

    def turn(self, key: str, before: State, state: State) -> bool:
        """Have an object be something else than before; whether it was that.

        Of a transaction that writes.
        """
        return bool(self._engine.execute(
            "UPDATE object SET state = ?, since = ? WHERE key = ? AND state = ? RETURNING key",
            (str(state), _now(), key, str(before)),
        ))  # fmt: skip

    def forget(self, keys: list[str]) -> None:
        """Have no rows any more of objects that were to go, and are gone."""
        with self._engine.writing():
            asked = self._engine.dialect.is_in_texts.format("key")
            statement = f"DELETE FROM object WHERE state = 'to_delete' AND {asked}"
            self._engine.execute(statement, (self._engine.dialect.listed(keys),))

    def _of(self, keys: list[str], condition: str = "") -> set[str]:
        with self._engine.reading():
            asked = self._engine.dialect.is_in_texts.format("key")
            statement = f"SELECT key FROM object WHERE {asked} {condition}"
            rows = self._engine.execute(statement, (self._engine.dialect.listed(keys),))
        return {str(key) for (key,) in rows}

    def _rows(self, condition: str, *values: Any, order: str = "") -> list[ObjectRow]:
        with self._engine.reading():
            statement = f"SELECT {_COLUMNS} FROM object WHERE {condition} {order}"
            return [_row(*row) for row in self._engine.execute(statement, values)]

    def _paged(self, condition: str, *above: str) -> Iterator[ObjectRow]:
        names = ("study", "series", "instance")[: len(above)]
        condition = " AND ".join((condition, *(f"{name} = ?" for name in names)))
        last: tuple[str, ...] = ("", "", "", "")
        while True:
            found = self._rows(
                f"{condition} AND (study, series, instance, key) > (?, ?, ?, ?)", *above, *last,
                order=f"ORDER BY study, series, instance, key LIMIT {_PAGE}",
            )  # fmt: skip
            yield from found
            if len(found) < _PAGE:
                return
            last = (*found[-1].uids, found[-1].key)


def _row(
    key: str, study: str, series: str, instance: str, state: str, since: int, digest: str,
    size: int, syntax: str, charset: str, sender: str, arrived: int, received: int,
) -> ObjectRow:  # fmt: skip
    facts = FileFacts(syntax, size, digest, charset, arrived, sender, received)
    return ObjectRow(key, (study, series, instance), State(state), since, facts)


def _now() -> int:
    return time.time_ns() // 1_000_000
