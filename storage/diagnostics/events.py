"""What a line of the log says: an event by name, its fields as key=value, and words.

`logger.info(Event("stored", peer="CT1", bytes=10))` is `stored peer=CT1 bytes=10` in the log for
people, and there a value is quoted that could be read as more than one, as logfmt does it; in JSON
lines each field is one, with its type. Nothing is ever read out of the text again.
"""

import re
from typing import Any

from storage.diagnostics.escaping import escaped, quoted

# A value that is read in one way only without quotes. Most are of ASCII, and told quickly.
_PLAIN = re.compile(r"[^\s\"=\\]*[^\s\"=\\:]")
_PAIR = re.compile(r"\S=")
_PLAIN_ASCII = re.compile(r"[!#-<>-\[\]-~]*[!#-9;<>-\[\]-~]")


class Own(str):
    """A detail of the node's own words, in which nobody else has a say: it may name fields."""


class Event:
    """An event for the log. Fields that are None are left out."""

    __slots__ = ("detail", "fields", "name", "remark")

    def __init__(self, name: str, detail: object = None, remark: str = "", /, **fields: Any):
        """`detail`: why, in words that may be of others; `remark`: the node's own words on it."""
        self.name = name
        self.detail = detail if detail is None or isinstance(detail, Own) else str(detail)
        self.remark = remark
        self.fields = fields

    def __str__(self) -> str:
        text = self.name
        for key, value in self.fields.items():
            if value is not None:
                text += f" {key}={value_of(value)}"
        if self.detail is not None:
            text += f": {_words(self.detail)}"
        return f"{text}, {self.remark}" if self.remark else text


class Sentence(Event):
    """An event whose name is a sentence that says its fields: they go to JSON lines alone."""

    __slots__ = ()

    def __str__(self) -> str:
        return escaped(self.name)


def value_of(value: object) -> str:
    """A field's value as it stands behind `=`; seconds have three decimals."""
    if type(value) is int:
        return str(value)
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if _PLAIN_ASCII.fullmatch(text):
        return text
    return text if text.isprintable() and _PLAIN.fullmatch(text) else quoted(text)


def _words(text: str) -> str:
    """Words go as they are, unless they could be read as fields."""
    is_plain = isinstance(text, Own) or not _PAIR.search(text)
    return escaped(text) if is_plain else quoted(text)
