"""Keys that were added to an index: of which attributes it holds values, beside its own columns.

Their tables are made with the first key and go with the last, so that the tables of an index do not
depend on what an installation has chosen. Triggers see to it that each instance that is entered
has a row for each key, whoever enters it: as due, until its value is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from storage.index.engines.statements import Statements

_ADD = (
    "INSERT INTO added_key VALUES (?, ?, 0, (SELECT COALESCE(MAX(id), 0) FROM instance), 0) "
    "ON CONFLICT (tag) DO UPDATE SET decided = excluded.decided, reached = 0, "
    "last = excluded.last, removed = 0"
)
_CLEAR = (
    "DELETE FROM added_value WHERE (instance, tag, number) IN "
    "(SELECT instance, tag, number FROM added_value WHERE tag = ? LIMIT ?) RETURNING 1"
)
# Rows that are deleted in one transaction.
_MANY = 2000


class AddedKey(NamedTuple):
    """A key by its tag, and how far the values are written of the instances that were there."""

    tag: int
    decided: str
    reached: int
    last: int
    is_removed: bool

    @property
    def is_filled(self) -> bool:
        """Whether each instance has a row for it."""
        return self.reached >= self.last and not self.is_removed


@dataclass(frozen=True)
class KeyTables:
    """The statements that make their tables and triggers, take them away, and look for them.

    Of `added_key`, `decided`: when it was, which tells a key that is added again from the one
    before. The instances up to the row `last` were there then; of these those up to `reached` have
    their values. Of `added_value`: several forms have several rows, of which the one with number 0
    has the text; that is NULL where the header has to be asked, and so is the VR as long as the
    value is due. Without a form it is a candidate whatever the key is.
    """

    make: tuple[str, ...]
    drop: tuple[str, ...]
    are_there: str


class AddedKeys:
    """Those of one index."""

    def __init__(self, engine: Statements, tables: KeyTables) -> None:
        self._engine, self._tables = engine, tables

    @property
    def are_there(self) -> bool:
        """Whether there are any, or were until just now."""
        return bool(self._engine.execute(self._tables.are_there, ()))

    def all(self) -> dict[int, AddedKey]:
        """Those that are there, by their tags; also those of which something is left."""
        if not self.are_there:
            return {}
        rows = self._engine.execute("SELECT * FROM added_key ORDER BY tag", ())
        return {
            tag: AddedKey(tag, decided, reached, last, bool(removed))
            for tag, decided, reached, last, removed in rows
        }

    def bring_up(self, decided: Mapping[int, str]) -> None:
        """Have the keys be those that are decided on, tag -> when. Raises ResourceError."""
        if self.agree_with(decided):
            return
        with self._engine.writing():
            if not self.are_there:
                for statement in self._tables.make:
                    self._engine.execute(statement, ())
            held = self.all()
            for tag, at in decided.items():
                one = held.get(tag)
                if one is None or one.is_removed or one.decided != at:
                    self._engine.execute(_ADD, (tag, at))
            for tag in held.keys() - decided.keys():
                self._engine.execute("UPDATE added_key SET removed = 1 WHERE tag = ?", (tag,))

    def clear_some(self, tag: int) -> bool:
        """Delete some of what is left of a key that was removed; whether anything was.

        Raises ResourceError.
        """
        with self._engine.writing():
            held = self.all()
            if tag not in held or not held[tag].is_removed:
                return False
            if self._engine.execute(_CLEAR, (tag, _MANY)):
                return True
            self._engine.execute("DELETE FROM added_key WHERE tag = ?", (tag,))
            if len(held) == 1:
                for statement in self._tables.drop:
                    self._engine.execute(statement, ())
            return False

    def agree_with(self, decided: Mapping[int, str]) -> bool:
        """Whether they are those that are decided on."""
        active = {tag: one.decided for tag, one in self.all().items() if not one.is_removed}
        return active == decided
