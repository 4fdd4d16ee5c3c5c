"""The tables of a shared archive beside those of its index: lines, and states of objects.

Who writes holds the archive's right to write, as for the index, and in the same transaction.
"""

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids
from storage.files import FileFacts
from storage.files.objects.keys import key_of, number_of, place_of, places_below, uids_of
from storage.index import PlannedRow
from storage.index.engines import Engine
from storage.journal import CORRECTIONS, RECEIPTS

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
    # A key follows from `number` and UIDs, and is nowhere written out; `place` is that of the UIDs,
    # by which they are looked up: whole keys and UIDs in each index took twice as much room.
    "CREATE TABLE object (since BIGINT NOT NULL, bytes BIGINT NOT NULL, arrived BIGINT NOT NULL, "
    "received BIGINT NOT NULL, number UUID NOT NULL, place UUID NOT NULL, "
    'state TEXT COLLATE "C" NOT NULL, study TEXT COLLATE "C" NOT NULL, '
    'series TEXT COLLATE "C" NOT NULL, instance TEXT COLLATE "C" NOT NULL, '
    'digest TEXT COLLATE "C" NOT NULL, syntax TEXT COLLATE "C" NOT NULL, '
    'charset TEXT COLLATE "C" NOT NULL, sender TEXT COLLATE "C" NOT NULL, '
    "PRIMARY KEY (number, place))",
    "CREATE UNIQUE INDEX object_held ON object (place) WHERE state = 'held'",
    "CREATE INDEX object_superseded ON object (place, number) WHERE state = 'superseded'",
    "CREATE INDEX object_to_delete ON object (since) WHERE state = 'to_delete'",
)
# Raised where these are other tables.
VERSION = 2

IS_EMPTY = "SELECT NOT EXISTS (SELECT 1 FROM line) AND NOT EXISTS (SELECT 1 FROM object)"
TAKE_IDENTITY = "UPDATE ledger SET identity = ?"

_COLUMNS = (
    "number, study, series, instance, state, since, "
    "digest, bytes, syntax, charset, sender, arrived, received"
)
OBJECT_COLUMNS = ("place", *_COLUMNS.split(", "))
_PLACES = ", ".join("?" * len(OBJECT_COLUMNS))
_ADD = f"INSERT INTO object ({', '.join(OBJECT_COLUMNS)}) VALUES ({_PLACES})"
_ADD_WITH_LINE = f"WITH added AS ({_ADD}) INSERT INTO line (name, line) VALUES (?, ?)"
_OF_INSTANCE = "place = ? AND study = ? AND series = ? AND instance = ?"
_OF_KEY = "number = ? AND place = ?"


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


def object_values(
    key: str, uids: Uids, state: State, facts: FileFacts, since: int = 0
) -> tuple[Any, ...]:
    """What the row of an object has in `OBJECT_COLUMNS`; `since`, as in `Objects.add`."""
    return (
        place_of(uids), number_of(key), *uids, str(state), since or _now(), facts.digest,
        facts.file_bytes, facts.transfer_syntax_uid, facts.charset, facts.sender,
        facts.arrived, facts.received,
    )  # fmt: skip


class NewObject(NamedTuple):
    """An object of an instance that is new, its receipt, and its row in the index.

    `corrections`: how far the journal of these went, as the row has it.
    """

    key: str
    uids: Uids
    facts: FileFacts
    receipt: bytes
    row: PlannedRow
    corrections: int

    def statement(self) -> tuple[str, tuple[Any, ...]]:
        """What enters all that, and gives a row; or, where anything is otherwise, nothing."""
        row = self.row
        return _entering(row.held.text, row.agrees.text, row.made.text, row.insert.text), (
            *row.held.values,
            place_of(self.uids), CORRECTIONS, self.corrections, *row.agrees.values,
            *object_values(self.key, self.uids, State.HELD, self.facts),
            RECEIPTS, self.receipt.decode().strip("\n"), *row.made.values, *row.insert.values,
        )  # fmt: skip


@lru_cache
def _entering(held: str, agrees: str, made: str, insert: str) -> str:
    plan = (
        "plan AS (SELECT 1 WHERE "
        "NOT EXISTS (SELECT 1 FROM object WHERE place = ? AND state = 'held') "
        "AND (SELECT COALESCE(MAX(position), 0) FROM line WHERE name = ?) = ? "
        f"AND {agrees})"
    )
    columns = ", ".join(OBJECT_COLUMNS)
    added = f"added AS (INSERT INTO object ({columns}) SELECT {_PLACES} FROM plan)"
    told = "told AS (INSERT INTO line (name, line) SELECT ?, ? FROM plan)"
    return f"WITH {', '.join(filter(None, (held, plan, added, told, made)))} {insert}"


class Objects:
    """The states of objects. What asks for them raises ResourceError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def held(self, uids: Uids) -> ObjectRow | None:
        """The one that an instance has."""
        found = self._rows(f"{_OF_INSTANCE} AND state = 'held'", place_of(uids), *uids)
        return found[0] if found else None

    def held_or_own(self, uids: Uids, key: str) -> list[ObjectRow]:
        """The same, and the one with a key, whatever that is."""
        condition = f"{_OF_KEY} OR ({_OF_INSTANCE} AND state = 'held')"
        return self._rows(condition, *_of_key(key), place_of(uids), *uids)

    def keys_of(self, instances: Sequence[Uids]) -> dict[Uids, str]:
        """The keys of those that instances have."""
        places = [place_of(uids) for uids in instances]
        found = self._rows("place = ANY(?::uuid[]) AND state = 'held'", places)
        return {one.uids: one.key for one in found if one.uids in set(instances)}

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
            statement = (
                "SELECT MAX(arrived) FROM object WHERE place BETWEEN ? AND ? AND study = ? "
                "AND state = 'held'"
            )
            found = self._engine.execute(statement, (*places_below(study), study))[0][0]
        return None if found is None else int(found)

    def add(
        self, key: str, uids: Uids, state: State, facts: FileFacts,
        line: tuple[str, bytes] | None = None, since: int = 0,
    ) -> None:  # fmt: skip
        """Have a row of an object that is new, and a `line` of the journal, by its name.

        `since`: when it became what it is, in milliseconds since 1970, where that is not now.

        Of a transaction that writes, which sees to it that both are there once.
        """
        values = object_values(key, uids, state, facts, since)
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
            f"UPDATE object SET state = ?, since = ? WHERE {_OF_KEY} AND state = ? RETURNING 1",
            (str(state), _now(), *_of_key(key), str(before)),
        ))  # fmt: skip

    def forget(self, keys: list[str]) -> None:
        """Have no rows any more of objects that were to go, and are gone."""
        statement = f"DELETE FROM object WHERE state = 'to_delete' AND {_IS_OF_KEYS}"
        with self._engine.writing():
            self._engine.execute(statement, _of_keys(keys))

    def _of(self, keys: list[str], condition: str = "") -> set[str]:
        statement = f"SELECT number, study, series, instance FROM object WHERE {_IS_OF_KEYS}"
        with self._engine.reading():
            rows = self._engine.execute(f"{statement} {condition}", _of_keys(keys))
        return {
            key_of((study, series, instance), number) for number, study, series, instance in rows
        }

    def _rows(self, condition: str, *values: Any, order: str = "") -> list[ObjectRow]:
        with self._engine.reading():
            statement = f"SELECT {_COLUMNS} FROM object WHERE {condition} {order}"
            return [_row(*row) for row in self._engine.execute(statement, values)]

    def _paged(self, condition: str, *above: str) -> Iterator[ObjectRow]:
        """By instances that are side by side, and of each the oldest first."""
        names = ("study", "series", "instance")[: len(above)]
        condition = " AND ".join((condition, *(f"{name} = ?" for name in names)))
        place, end = places_below(*above)
        last: tuple[UUID, UUID] = place, UUID(int=0)
        while True:
            found = self._rows(
                f"{condition} AND (place, number) > (?, ?) AND place <= ?", *above, *last, end,
                order=f"ORDER BY place, number LIMIT {_PAGE}",
            )  # fmt: skip
            yield from found
            if len(found) < _PAGE:
                return
            last = place_of(found[-1].uids), number_of(found[-1].key)


_IS_OF_KEYS = "(number, place) IN (SELECT * FROM unnest(?::uuid[], ?::uuid[]))"


def _of_key(key: str) -> tuple[UUID, UUID]:
    """The number and the place of a key, which must be one of ours."""
    uids = uids_of(key)
    if uids is None:
        raise ResourceError(f"{key}: is no key of an object of this archive")
    return number_of(key), place_of(uids)


def _of_keys(keys: list[str]) -> tuple[list[UUID], list[UUID]]:
    """The same of several, of which those that are none of ours are left out."""
    found = [_of_key(key) for key in keys if uids_of(key)]
    return [number for number, _ in found], [place for _, place in found]


def _row(
    number: UUID, study: str, series: str, instance: str, state: str, since: int, digest: str,
    size: int, syntax: str, charset: str, sender: str, arrived: int, received: int,
) -> ObjectRow:  # fmt: skip
    facts = FileFacts(syntax, size, digest, charset, arrived, sender, received)
    uids = study, series, instance
    return ObjectRow(key_of(uids, number), uids, State(state), since, facts)


def _now() -> int:
    return time.time_ns() // 1_000_000
