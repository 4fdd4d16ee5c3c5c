"""Statements and texts as PostgreSQL takes them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# Texts in a statement, names in quotes, and places of values.
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?\^?""")
_COLLATION = '"C"'

# What a text of PostgreSQL cannot hold, NUL and lone surrogates, is kept as characters that no
# character set of PS3.3 C.12.1.1.2 has, at the end of the last plane for private use. There one is
# one, as `?` of a key has it.
_FIRST_KEPT, _KEPT_NUL = 0x10F000, 0x10F800
_SURROGATES = range(0xD800, 0xE000)
_KEPT = re.compile(f"[{chr(_FIRST_KEPT)}-{chr(_KEPT_NUL)}]")
_NOT_TAKEN = re.compile(f"[\0\ud800-\udfff{chr(_FIRST_KEPT)}-{chr(_KEPT_NUL)}]")
_NO_CHARACTER = "\ufffd"  # of what comes as such a character itself


@lru_cache(maxsize=4096)
def translated(statement: str) -> str:
    """A statement with `?` for each value, and names in the letters of the table of attributes.

    Names are in small letters there: without quotes PostgreSQL takes any for these. `?^` is the
    value of the `?` before it.
    """
    number = 0

    def put(part: re.Match[str]) -> str:
        nonlocal number
        text = part[0]
        if text[0] == '"':
            return text if text == _COLLATION else text.lower()
        if text[0] != "?":
            return text
        number += text == "?"
        return f"${number}"

    return _PARTS.sub(put, statement)


def taken(values: Sequence[Any]) -> list[Any]:
    """The values of a statement as they can be held."""
    return [_taken(value) for value in values]


def _taken(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_TAKEN.sub(_kept, value) if _may_be_kept(value) else value
    if isinstance(value, list):
        return [_taken(one) for one in value]
    return int(value) if isinstance(value, bool) else value


def told(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as it was given."""
    for value in row:
        if isinstance(value, str) and not value.isascii() and _KEPT.search(value):
            break
    else:
        return row
    return tuple([_KEPT.sub(_given, one) if isinstance(one, str) else one for one in row])


def _may_be_kept(value: str) -> bool:
    return "\0" in value if value.isascii() else bool(_NOT_TAKEN.search(value))


def _kept(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number in _SURROGATES:
        return chr(_FIRST_KEPT + number - _SURROGATES.start)
    return _NO_CHARACTER if number else chr(_KEPT_NUL)


def _given(found: re.Match[str]) -> str:
    number = ord(found[0])
    return "\0" if number == _KEPT_NUL else chr(_SURROGATES.start + number - _FIRST_KEPT)
