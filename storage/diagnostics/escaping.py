"""Text of others, made fit for a line: no character in it moves a cursor, hides or ends it."""

import json
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from storage.diagnostics.errors import ERROR_COMMENT_CHARACTERS

# By Unicode's general category: C0, DEL and C1 are Cc; bidi overrides and isolates, what has no
# width and tags are Cf; U+2028 and U+2029 are Zl and Zp; half a pair of UTF-16 is Cs.
_UNSAFE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
_NOT_ASCII = re.compile("[^ -~]")
_NOT_ASCII_BUT_LINES = re.compile("[^ -~\n]")
_COULD_BEGIN = re.compile(r'\\(?=[\\"nrtxuU]|[^ -~]|$)')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str) -> str:
    r"""`text` in one line, with \n, \x1b, \u202e and the like for what is not to be seen as it is.

    Letters of all scripts stay.
    """
    return text if text.isprintable() else _NOT_ASCII.sub(_shown, text)


def quoted(text: str) -> str:
    r"""`text` between quotes, in which \" and \\ stand for those two: it can be told where it ends.

    A backslash of the text is doubled where it could be taken for one of an escape.
    """
    whole = _COULD_BEGIN.sub(r"\\\\", text).replace('"', '\\"')
    return f'"{escaped(whole)}"'


def json_text(document: Any, indent: int | None = None, compact: bool = False) -> str:
    r"""JSON that is safe to be looked at: what `escaped` would escape stands there as \uXXXX.

    So a reader has the very text, but for half a pair of UTF-16 (of a file's name that is no
    UTF-8, PEP 383), which JSON cannot carry everywhere (RFC 8259 8.2): it has its escape.
    """
    text = _encoder(indent, compact).encode(document)
    return text if text.isprintable() else _NOT_ASCII_BUT_LINES.sub(_shown_in_json, text)


@lru_cache
def _encoder(indent: int | None, compact: bool) -> json.JSONEncoder:
    separators = (",", ":") if compact else None
    return json.JSONEncoder(ensure_ascii=False, indent=indent, separators=separators, default=str)


def error_comment(text: str) -> str:
    """`text` as an Error Comment can hold it: one line of the default repertoire, 64 characters.

    PS3.7 annex C: LO. The backslash would begin another value (PS3.5 6.2).
    """
    start = text[:ERROR_COMMENT_CHARACTERS]
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in start)


def _shown(found: re.Match[str]) -> str:
    return _in_text(found[0])


def _shown_in_json(found: re.Match[str]) -> str:
    return _in_json(found[0])


@lru_cache(1024)
def _in_text(character: str) -> str:
    return _escape(character, lambda c: _SHORT.get(c) or _by_number(c))


@lru_cache(1024)
def _in_json(character: str) -> str:
    return _escape(character, lambda c: json.dumps(_by_number(c) if _is_half(c) else c)[1:-1])


def _escape(character: str, how: Callable[[str], str]) -> str:
    return how(character) if unicodedata.category(character) in _UNSAFE else character


def _is_half(character: str) -> bool:
    return unicodedata.category(character) == "Cs"


def _by_number(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
