"""What a person asks of the archive by keywords, and the entities that answer it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.archive.finding.answers import QueryAnswer, QueryAnswers
from storage.archive.finding.origins import Origins
from storage.diagnostics import IdentifierError
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import BY_TAG, UNIQUE, Attribute, Key, Level, split
from storage.query import KeyPath, Query, asked_by_keyword, key_path, matches

# What is no attribute of a data set, and can be asked for and shown all the same.
BYTES, FIRST_RECEIVED, RECEIVED, SENDER = "Bytes", "FirstReceived", "Received", "Sender"
OF_RECEIPT = (SENDER, RECEIVED, FIRST_RECEIVED, BYTES)
_NANOSECONDS = 1_000_000_000
_RANGE = re.compile(r"(\d*)(-?)(\d*)")
# More values of one keyword are a list: any of them will do.
_SEPARATOR = "\\"


class UnreadableError(IdentifierError):
    """Not all that was asked could be looked at; the answers are those that could be."""


@dataclass(frozen=True)
class Asked:
    """Entities of a level, by what they are to be, and what is to be shown of each.

    `later` are the conditions on what no key of an identifier asks: counts, and `OF_RECEIPT`.
    """

    level: Level
    query: Query
    shown: tuple[str, ...]
    paths: Mapping[str, KeyPath]
    later: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entity:
    """One that was found: `uids` by the keywords of the unique keys, down to its level.

    `values` are texts by what was asked to be shown; of sequences lists of the same of each item.
    """

    uids: Mapping[str, str]
    values: Mapping[str, object]


def asked(
    level: Level, where: Sequence[tuple[str, str]], shown: Sequence[str], fuzzy_names: bool = False
) -> Asked:
    """What `where` says, pairs of a keyword and a value; values of one keyword are a list.

    Raises IdentifierError where a keyword is none, is of a lower level than what is asked for, or
    cannot have that value.
    """
    together: dict[str, str] = {}
    for name, text in where:
        together[name] = f"{together[name]}{_SEPARATOR}{text}" if name in together else text
    paths = {name: key_path(name) for name in (*together, *shown) if name not in OF_RECEIPT}
    later = {name: text for name, text in together.items()
             if name in OF_RECEIPT or _is_counted(paths[name])}  # fmt: skip
    for name in (*shown, *later):
        if name in paths:
            _check_level(paths[name], level)
    for name, text in later.items():
        _check_later(name, text)
    keys = {paths[name]: text for name, text in together.items() if name not in later}
    unique = [key_path(UNIQUE[one].keyword) for one in Level if one <= level]
    asked_for = [*unique, *(paths[name] for name in (*shown, *later) if name in paths)]
    query = asked_by_keyword(level, keys, asked_for, fuzzy_names)
    unmatched = ", ".join(name for name, path in paths.items() if path.tags[0] in query.unsupported)
    if unmatched:
        raise IdentifierError(f"{unmatched}: cannot be asked for, only shown")
    return Asked(level, query, tuple(shown), paths, later)


def found(asked_for: Asked, answers: QueryAnswers, origins: Origins) -> Iterator[Entity]:
    """The entities that answer it, as they are read. Raises ResourceError.

    Raises UnreadableError after the last, where headers could not be read.
    """
    query = asked_for.query
    for answer in answers:
        known = _Known(asked_for, answer, query.returned, origins)
        if all(_fits(name, text, known) for name, text in asked_for.later.items()):
            values = {name: known.value(name) for name in asked_for.shown}
            yield Entity(known.uids, values)
    passed_over = [*answers.search.unreadable, *answers.search.left_out]
    if passed_over:
        raise UnreadableError(
            f"headers that cannot be read, and so are not found: {', '.join(passed_over)}"
        )


class _Known:
    """What is known of one answer, looked up where it is asked for."""

    def __init__(
        self, asked_for: Asked, answer: QueryAnswer, columns: Sequence[Attribute], origins: Origins
    ) -> None:
        self._asked, self._row_id, self._origins = asked_for, answer.row_id, origins
        held = zip(columns, answer.texts, strict=True)
        self._elements: Elements = {a.tag: Element(a.vr, text) for a, text in held}
        self._elements |= answer.extra

    @property
    def uids(self) -> dict[str, str]:
        """The unique keys."""
        unique = (UNIQUE[level] for level in Level if level <= self._asked.level)
        return {a.keyword: self._elements.get(a.tag, _NOTHING).text for a in unique}

    def value(self, name: str) -> object:
        """What is shown of it under a name."""
        if name in OF_RECEIPT:
            return self.of_receipt(name)
        return plain(self._elements, self._asked.paths[name].tags)

    def of_receipt(self, name: str) -> str:
        """How it came."""
        if name == SENDER:
            return _SEPARATOR.join(self._origins.senders(self._asked.level, self._row_id))
        share = self._origins.received(self._asked.level, self._row_id)
        if name == BYTES:
            return str(share.bytes)
        return _in_words(share.last if name == RECEIVED else share.first)


_NOTHING = Element("UN")


def plain(elements: Elements, tags: Sequence[int]) -> object:
    """The value at a path as it is shown: a text, of an attribute in a sequence those of all items.

    A sequence itself is a list of its items, values by keyword.
    """
    held = elements.get(tags[0], _NOTHING)  # type: ignore[call-overload]
    if len(tags) > 1:
        texts = [str(plain(item, tags[1:])) for item in held.items or ()]
        return _SEPARATOR.join(text for text in texts if text)
    if held.items is None:
        return held.text
    return [{_name(tag): plain(item, (tag,)) for tag in item} for item in held.items]


def _name(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or str(tag)


def _in_words(nanoseconds: int) -> str:
    """A time here, with its zone."""
    if not nanoseconds:
        return ""
    return datetime.fromtimestamp(nanoseconds // _NANOSECONDS).astimezone().isoformat(" ")


def _is_counted(path: KeyPath) -> bool:
    attribute = BY_TAG.get(path.tags[0])
    return attribute is not None and attribute.key is Key.COUNTED


def _check_level(path: KeyPath, level: Level) -> None:
    attribute = BY_TAG.get(path.tags[0])
    if attribute is not None and attribute.level > level:
        name = attribute.level.name.lower()
        raise IdentifierError(f"{path.name} is of the level {name}: a {level.name.lower()} has "
                              "several, and none to be shown")  # fmt: skip


def _check_later(name: str, text: str) -> None:
    if name in (RECEIVED, FIRST_RECEIVED):
        asked_by_keyword(Level.IMAGE, {key_path("AcquisitionDateTime"): text}, ())
    elif name != SENDER and not all(_RANGE.fullmatch(one) for one in text.split(_SEPARATOR)):
        raise IdentifierError(
            f"{name}={text}: takes a number, or a range such as 10-, -20 or 10-20"
        )


def _fits(name: str, text: str, known: _Known) -> bool:
    return _TESTS.get(name, _is_in_numbers)(str(known.value(name)), text)


def _is_in_numbers(value: str, text: str) -> bool:
    number = int(value or 0)
    for one in text.split(_SEPARATOR):
        first, dash, last = _RANGE.fullmatch(one).groups()  # type: ignore[union-attr]
        low, high = int(first or 0), int(last or number) if dash else int(first or 0)
        if low <= number <= high:
            return True
    return False


def _is_among(value: str, text: str) -> bool:
    return any(matches("AE", one, text, True) for one in split("AE", value) or [""])


def _is_in_time(value: str, text: str) -> bool:
    moment = datetime.fromisoformat(value).strftime("%Y%m%d%H%M%S") if value else ""
    return matches("DT", moment, text, True)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    SENDER: _is_among, RECEIVED: _is_in_time, FIRST_RECEIVED: _is_in_time,
}  # fmt: skip
