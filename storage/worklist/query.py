"""Identifiers of the Modality Worklist, and which entries match (PS3.4 K.4.1, table K.6-1).

The rules are those of Query/Retrieve (`storage.query`). Other than there: no levels; keys of the
step are matched in one item; a range of dates with one of times is a period; a status is what the
entry's is now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import IdentifierError
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.query import (
    check_lists,
    fold,
    identifier_of,
    in_combined_range,
    is_universal,
    keys_of,
    matches,
    range_ends,
)
from storage.worklist.entries import NOT_KEYS, STEP_SEQUENCE, Entry, from_json, to_json

_ABSENT = Element("UN")
_DAY, _TIME = Tag("ScheduledProcedureStepStartDate"), Tag("ScheduledProcedureStepStartTime")
_STATION, STATUS = Tag("ScheduledStationAETitle"), Tag("ScheduledProcedureStepStatus")


@dataclass(frozen=True)
class Hidden:
    """A key that an entry does not match: its keyword, what is asked, and what the entry has."""

    keyword: str
    asked: str
    held: str


@dataclass(frozen=True)
class WorklistQuery:
    """An identifier: its keys as asked, and those with a value that are not matched."""

    keys: Elements
    character_set: str = ""
    unmatched: tuple[BaseTag, ...] = ()
    oddity: str = ""  # of how it was encoded, in words
    station: str = ""  # of which entries are to be, where it was not asked for

    @classmethod
    def read(cls, data: bytes, transfer_syntax: str, charset: str) -> "WorklistQuery":
        """Decode an identifier; `charset` is for text that names none.

        Raises DataSetError where it cannot be read, IdentifierError where it asks what cannot be.
        """
        found, bulk, oddity = identifier_of(data, transfer_syntax, charset)
        check_lists(found)
        keys = keys_of(found)
        for tag, key in keys.items():
            if key.items is not None and len(key.items) > 1:  # PS3.4 C.2.2.2.6
                raise IdentifierError(f"More than one item in {_name(tag)}", tag)
        asked = found.get(CHARACTER_SET, _ABSENT).text
        return cls(keys, asked, (*bulk, *_unmatched(keys)), oddity)

    def for_station(self, title: str) -> "WorklistQuery":
        """The same of one station's entries alone, where it names none."""
        asked = (self.step_keys or {}).get(_STATION, _ABSENT).text
        return replace(self, station=title) if is_universal("AE", asked) else self

    def hidden_by(self, entry: Entry, status: str) -> Iterator[Hidden]:
        """The keys that an entry does not match, whose status is this now; none where it does."""
        for tag, key in self._of_root:
            if not _fits(entry.elements.get(tag), key):
                yield _hidden(tag, key, entry.elements.get(tag))
        if self.station and self.station not in entry.stations:
            yield Hidden("ScheduledStationAETitle", self.station, "\\".join(entry.stations))
        step, period = entry.step, self._period
        if period and not _in_period(step, *period):
            held = f"{entry.day} {entry.time}"
            yield Hidden("ScheduledProcedureStepStartDate and Time", " ".join(period), held)
        for tag, key in self._of_step:
            found = Element("CS", status) if tag == STATUS else step.get(tag)
            if not _fits(found, key):
                yield _hidden(tag, key, found)

    def matches(self, entry: Entry, status: str) -> bool:
        """Whether an entry matches all keys."""
        return next(self.hidden_by(entry, status), None) is None

    @property
    def step_keys(self) -> Elements | None:
        """The keys in the item of the step's sequence; None where all of it is asked for."""
        key = self.keys.get(STEP_SEQUENCE)
        return key.items[0] if key and key.items and key.items[0] else None

    @cached_property
    def _of_root(self) -> list[tuple[BaseTag, Element]]:
        return [(t, k) for t, k in self._narrowing(self.keys) if t != STEP_SEQUENCE]

    @cached_property
    def _of_step(self) -> list[tuple[BaseTag, Element]]:
        paired = (_DAY, _TIME) if self._period else ()
        return [(t, k) for t, k in self._narrowing(self.step_keys or {}) if t not in paired]

    def _narrowing(self, keys: Elements) -> Iterator[tuple[BaseTag, Element]]:
        """The keys that not every entry matches."""
        for tag, key in keys.items():
            if tag not in self.unmatched and not tag.is_private and not _is_open(key):
                yield tag, key

    @cached_property
    def _period(self) -> tuple[str, str] | None:
        """The ranges of date and time that are one period, without negotiation (table K.6-1)."""
        keys = self.step_keys or {}
        day, time = (keys.get(tag, _ABSENT).text for tag in (_DAY, _TIME))
        return (day, time) if range_ends("DA", day) and range_ends("TM", time) else None

    def as_json(self) -> dict[str, object]:
        """The keys in the DICOM JSON Model."""
        return to_json(self.keys)

    @classmethod
    def from_json(cls, held: dict[str, object]) -> "WorklistQuery":
        """A query of such keys. Raises DataSetError."""
        keys = from_json(held)
        return cls(keys, unmatched=tuple(_unmatched(keys)))


def _unmatched(keys: Elements) -> Iterator[BaseTag]:
    """Keys with a value that take no part: of documents and zones, and private ones."""
    for tag, key in keys.items():
        if (tag in NOT_KEYS or _is_private(tag)) and not _is_open(key):
            yield tag


def _is_private(tag: BaseTag) -> bool:
    """Whether it is a private attribute; what names its creator asks for nothing."""
    return tag.is_private and tag.element >= 0x1000


def _is_open(key: Element) -> bool:
    """Whether every entry matches a key."""
    if key.items is not None:
        return all(_is_open(part) for item in key.items for part in item.values())
    return is_universal(key.vr, key.text)


def _fits(held: Element | None, key: Element) -> bool:
    if key.items is not None:
        wanted = key.items[0] if key.items else {}
        items = (held and held.items) or ()
        asked = [(tag, part) for tag, part in wanted.items() if not tag.is_private]
        return any(all(_fits(item.get(tag), part) for tag, part in asked) for item in items)
    found = held or _ABSENT
    return matches(found.vr if held else key.vr, found.text, key.text)


def _in_period(step: Elements, day_key: str, time_key: str) -> bool:
    day, time = (fold(vr, step[tag].text) for vr, tag in (("DA", _DAY), ("TM", _TIME)))
    return in_combined_range(day, time, day_key, time_key)


def _hidden(tag: BaseTag, key: Element, held: Element | None) -> Hidden:
    """Which key it is, inside a sequence too."""
    if key.items:
        for inner, part in key.items[0].items():
            items = (held and held.items) or ({},)
            if not any(_fits(item.get(inner), part) for item in items):
                found = _hidden(inner, part, items[0].get(inner))
                return replace(found, keyword=f"{_name(tag)}.{found.keyword}")
    return Hidden(_name(tag), key.text, held.text if held else "")


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
