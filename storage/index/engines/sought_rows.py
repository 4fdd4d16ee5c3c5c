"""Rows that one statement looks for and, where they are not there, enters: each below another.

It has a `plan`, a row or none, by which all is entered or nothing. For databases whose statements
may enter rows on the way to others, as those of PostgreSQL do, which also look at everything as it
was before any of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Part(NamedTuple):
    """A part of a statement, and the values of its places."""

    text: str
    values: Sequence[Any] = ()


class Sought(NamedTuple):
    """Parts of a statement: what stands in front of its plan, its condition, and what is behind it.

    That is what is there, whether it may stay, and what is entered.
    """

    held: Part
    agree: Part
    made: Part = Part("")


@dataclass(frozen=True)
class SoughtRow:
    """A row of a table, where `same` holds; below the row that is sought in the table `above`.

    `agrees`: whether one that is there may stay as it is. `columns`: those of a new one, without
    its parent's. Of each condition, and of the columns, the values are given in this order.
    """

    table: str
    above: str
    same: str
    agrees: str
    columns: Sequence[str]

    @property
    def new(self) -> str:
        """What has the id of the row, if it was not there."""
        return f"new_{self.table}"

    @property
    def held(self) -> str:
        """The row, if it is there."""
        below = f"parent_id = (SELECT id FROM held_{self.above}) AND " if self.above else ""
        return (
            f"held_{self.table} AS (SELECT id, {self.agrees} AS agrees FROM {self.table} "
            f"WHERE {below}{self.same})"
        )

    @property
    def agree(self) -> str:
        """The condition that it is not there, or may stay as it is."""
        return f"NOT EXISTS (SELECT 1 FROM held_{self.table} WHERE NOT agrees)"

    @property
    def made(self) -> str:
        """The row entered, if it is not there; and `the_` row, with its id, in either case."""
        names, source, given = [*self.columns], "plan", ["?"] * len(self.columns)
        if self.above:
            source = f"plan, the_{self.above}"
            names, given = ["parent_id", *names], [f"the_{self.above}.id", *given]
        return (
            f"{self.new} AS (INSERT INTO {self.table} ({', '.join(names)}) "
            f"SELECT {', '.join(given)} FROM {source} "
            f"WHERE NOT EXISTS (SELECT 1 FROM held_{self.table}) RETURNING id), "
            f"the_{self.table} AS (SELECT id FROM held_{self.table} "
            f"UNION ALL SELECT id FROM {self.new})"
        )
