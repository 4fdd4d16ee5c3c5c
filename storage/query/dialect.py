"""What SQLite and PostgreSQL write otherwise, side by side; and SQL conditions put together.

A statement of the index is written as SQLite takes it, with `?` for a value and columns as they are
called in the table of attributes. What PostgreSQL takes otherwise is a method of `Dialect`, of
statements that are texts, or a `ByDialect`, of conditions that the query builder puts together.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import OP, SQL, ColumnBase, Expression, NodeList, fn

# Behind all that begins with a text: the end of a range of such.
LAST_CHARACTER = "\U0010ffff"
# PostgreSQL: what of a text an index holds, at most 2,704 bytes a row. The whole is compared too.
SHORT_CHARACTERS = 200
_LIKE_SIGNS = re.compile(r"[\\%_]")


@dataclass(frozen=True)
class Dialect:
    """What differs in statements that are texts: parts of them, to be formatted.

    `calls_python`: the rules of matching can be called in a statement; else columns hold what these
    would look at (`conditions.kept_columns`). `then_join` stands between tables of which the first
    is to be gone through first. `texts` and `numbers`: a list as a table of a name, with columns
    `value`, and `key` for the place. `is_in_texts`: a column is in a list of texts; `listed` makes
    of a list what is given for its `?`. `is_text`: a column of texts of any length is a text, which
    an index serves.
    """

    calls_python: bool
    then_join: str
    texts: str
    numbers: str
    is_in_texts: str
    is_text: str
    json_array: str
    listed: Callable[[Sequence[Any]], Any]


SQLITE = Dialect(
    calls_python=True,
    then_join="CROSS JOIN",
    texts="json_each(?) AS {}",
    numbers="json_each(?) AS {}",
    is_in_texts="{} IN (SELECT value FROM json_each(?))",
    is_text="{} = ?",
    json_array="json_array({})",
    listed=lambda values: json.dumps(list(values)),
)
# `?^` is the value of the `?` before it.
POSTGRESQL = Dialect(
    calls_python=False,
    then_join="JOIN",
    texts="unnest(?::text[]) WITH ORDINALITY AS {}(value, key)",
    numbers="unnest(?::bigint[]) WITH ORDINALITY AS {}(value, key)",
    is_in_texts="{} = ANY(?::text[])",
    is_text=f"left({{0}}, {SHORT_CHARACTERS}) = left(?::text, {SHORT_CHARACTERS}) AND {{0}} = ?^",
    json_array="json_build_array({})::text",
    listed=list,
)


class ByDialect(ColumnBase):
    """A part of a statement that each has in its own way; PostgreSQL's is made when it is asked.

    The builder's context says whose it is: `Database.get_context_options`.
    """

    def __init__(self, sqlite: Any, postgresql: Callable[[], Any]) -> None:
        super().__init__()
        self._sqlite, self._postgresql = sqlite, postgresql

    def __sql__(self, ctx: Any) -> Any:
        is_other = ctx.state.dialect is POSTGRESQL
        return ctx.sql(self._postgresql() if is_other else self._sqlite)


def joined(operator: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """The conditions as one, nested as little as can be.

    Peewee and SQLite go down into it, and neither far: one behind the other, some hundred are
    too many.
    """
    while len(parts) > 1:
        pairs = [parts[start : start + 2] for start in range(0, len(parts), 2)]
        parts = [operator(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def is_text(column: Any, text: str) -> Any:
    """The condition that a column, of any length, is a text."""
    return ByDialect(
        column == text, lambda: (_short(column) == text[:SHORT_CHARACTERS]) & (column == text)
    )


def is_between(column: Any, first: str, last: str) -> Any:
    """The condition that a column lies between two short texts, both included."""
    between = column.between(first, last)
    return ByDialect(between, lambda: _short(column).between(first, last) & between)


def begins(column: Any, prefix: str) -> Any:
    """The condition that a column begins with a text: an index serves it."""
    short = prefix[:SHORT_CHARACTERS]
    return ByDialect(
        (column >= prefix) & (column < prefix + LAST_CHARACTER),
        # Of a longer one the rest is left to who asks for more than where to look.
        lambda: (_short(column) >= short) & (_short(column) < short + LAST_CHARACTER),
    )


def like(column: Any, pattern: str) -> Any:
    """PostgreSQL's condition that a column fits a pattern of `*` and `?`."""
    return Expression(column, OP.LIKE, like_pattern(pattern))


def like_pattern(text: str, has_wildcards: bool = True) -> str:
    """A text as a pattern of its LIKE, where `*` and `?` stand for ends of lines, too."""
    pattern = _LIKE_SIGNS.sub(r"\\\g<0>", text)
    return pattern.replace("*", "%").replace("?", "_") if has_wildcards else pattern


def like_any(column: Any, patterns: Sequence[str]) -> Any:
    """The condition that it fits any of some patterns of LIKE: one value, however many."""
    return NodeList((column, SQL("LIKE ANY(?::text[])", (list(patterns),))), parens=True)


def equals_any(column: Any, texts: Sequence[str]) -> Any:
    """PostgreSQL's condition that a column is any of some texts."""
    return NodeList((column, SQL("= ANY(?::text[])", (list(texts),))), parens=True)


def is_any(column: Any, texts: Sequence[str]) -> Any:
    """The same of a column of any length, by an index where there is one."""
    short = [text[:SHORT_CHARACTERS] for text in texts]
    return equals_any(_short(column), short) & equals_any(column, texts)


class Decided(ColumnBase):
    """A condition that is made of the texts which a statement selects, when it is asked."""

    def __init__(self, selected: Any, made: Callable[[Sequence[str]], Any]) -> None:
        super().__init__()
        self._selected, self._made = selected, made
        self._condition: Any = None

    def __sql__(self, ctx: Any) -> Any:
        if self._condition is None:
            self._condition = self._made(ctx.state.texts_of(self._selected))
        return ctx.sql(self._condition)


def is_one_accepted(column: Any, selected: Any, accepts: Callable[[str], bool]) -> Any:
    """Whether a column is one of those texts, of what a statement selects, that are accepted."""
    return Decided(selected, lambda texts: equals_any(column, [t for t in texts if accepts(t)]))


def put_together(column: Any) -> Any:
    """The aggregate of texts with backslashes between, in their order, `column` being `value`."""
    return ByDialect(
        fn.GROUP_CONCAT(column, "\\"), lambda: SQL(r"string_agg(value, '\' ORDER BY value)")
    )


def _short(column: Any) -> Any:
    return fn.left(column, SQL(str(SHORT_CHARACTERS)))
