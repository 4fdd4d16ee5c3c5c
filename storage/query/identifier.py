"""Identifiers: information model, level, keys, and what was negotiated about matching them."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from storage.diagnostics import BudgetError, DataSetError, IdentifierError
from storage.dicom.data_sets import (
    DEFLATED,
    MESSAGE,
    Element,
    Elements,
    ReadBudget,
    elements,
    reader,
)
from storage.dicom.values import BY_KEYWORD, BY_TAG, UNIQUE, WHOLE_TEXT_VRS, Attribute, Level, split
from storage.query.rules import MAX_VALUES, is_universal, matches

QUERY_RETRIEVE_LEVEL = Tag(0x0008, 0x0052)
_INSTANCE_AVAILABILITY = Tag(0x0008, 0x0056)
_RETRIEVE_AE_TITLE, _VIEW = Tag(0x0008, 0x0054), Tag(0x0008, 0x0053)
_TIMEZONE_OFFSET = Tag(0x0008, 0x0201)
# In an identifier, but not keys of an entity (PS3.4 C.4.1.1.3).
_NOT_KEYS = {
    QUERY_RETRIEVE_LEVEL, elements.CHARACTER_SET, _VIEW, _RETRIEVE_AE_TITLE, _INSTANCE_AVAILABILITY,
}  # fmt: skip
# What is answered, and with a value not heeded: that of Timezone Offset From UTC would have times
# read in it (PS3.4 C.4.1.1.3.2).
_NOT_HEEDED = (_VIEW, _RETRIEVE_AE_TITLE, _TIMEZONE_OFFSET)
# Of how a data set is written, not of what it says, as group lengths (PS3.5 7.2) are: Length to End
# (retired), Data Set Trailing Padding.
_OF_ENCODING = {Tag(0x0008, 0x0001), Tag(0xFFFC, 0xFFFC)}
_FIRST_GROUP = 0x0008  # of what a data set holds
_AVAILABLE = "ONLINE"
# Lists of UIDs (PS3.4 C.2.2.2.2), and VRs in which a backslash is text.
_OF_ANY_LENGTH = WHOLE_TEXT_VRS | {"UI"}
_WILDCARDS_ALONE = "*?\\^= "  # with what parts values, and names
# A list of 100,000 UIDs fits, and no more than a message may be.
MAX_IDENTIFIER_BYTES = MESSAGE.value_bytes
# Of a value of a key; longer than any that is not prose (PS3.5 6.2), or that is asked for.
_MAX_KEY_CHARACTERS = 16 * 1024


class Root(Enum):
    """The information models and their levels (PS3.4 C.6)."""

    PATIENT = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
    STUDY = (Level.STUDY, Level.SERIES, Level.IMAGE)
    PATIENT_STUDY_ONLY = (Level.PATIENT, Level.STUDY)


@dataclass(frozen=True)
class Options:
    """What SOP Class Extended Negotiation agreed on (PS3.4 C.5.1.1)."""

    relational: bool = False
    date_time: bool = False
    fuzzy_names: bool = False
    empty_value: bool = False
    multiple_values: bool = False


@dataclass(frozen=True)
class Query:
    """An identifier: information model, level, and the keys as asked."""

    root: Root
    level: Level
    keys: Elements
    character_set: str = ""
    asks_availability: bool = False
    options: Options = field(default_factory=Options)
    is_incomplete: bool = False  # without all upper unique keys, and taken all the same
    # Keys that take no part in matching: of bulk data, or such as change the meaning of others.
    unheeded: tuple[BaseTag, ...] = ()
    excludes_all: bool = False  # asks for an Instance Availability that nothing here has
    oddity: str = ""  # of how it was encoded, in words

    @classmethod
    def read(
        cls,
        root: Root,
        data: bytes,
        transfer_syntax: str,
        charset: str,
        options: Options = Options(),  # frozen
        lenient: bool = False,
    ) -> "Query":
        """Decode an identifier; `charset` is for text that names none.

        `lenient`: levels are taken as many clients write them, the patient's in the Study Root
        model too, and upper unique keys may be absent; all other keys then count, as in a
        relational query (PS3.4 C.4.1.2.2).

        Raises DataSetError where it cannot be read, and IdentifierError where its level is
        missing, unknown, or not one of the model.
        """
        keys, bulk, oddity = identifier_of(data, transfer_syntax, charset)
        root, level = _level(root, keys, lenient)
        check_lists(keys)
        asked = keys.get(elements.CHARACTER_SET, _ABSENT).text
        available = keys.get(_INSTANCE_AVAILABILITY)
        excludes = available is not None and not _is_among(_AVAILABLE, available.text)
        unheeded = [tag for tag in keys if _is_not_heeded(tag) and keys[tag].text]
        if offset := keys.get(_TIMEZONE_OFFSET):
            keys[_TIMEZONE_OFFSET] = replace(offset, text="")
        query = cls(
            root, level, keys_of(keys), asked, available is not None, options,
            unheeded=(*bulk, *unheeded), excludes_all=excludes, oddity=oddity,
        )  # fmt: skip
        if lenient and not options.relational and any(map(query._is_universal, query.upper)):
            relational = replace(options, relational=True)
            query = replace(query, options=relational, is_incomplete=True)
        return query

    def text(self, attribute: Attribute) -> str:
        """The key for `attribute`, empty where there is none."""
        return self.keys.get(attribute.tag, _ABSENT).text

    @property
    def named(self) -> dict[str, str]:
        """The unique keys that have a value, by keyword."""
        return {a.keyword: text for a in UNIQUE.values() if (text := self.text(a))}

    def level_of(self, attribute: Attribute) -> Level:
        """Where the attribute belongs: a model begins with the levels above its first."""
        return Level(max(attribute.level, self.root.value[0]))

    @cached_property
    def upper(self) -> list[Attribute]:
        """The unique keys of the levels above the query's."""
        return [UNIQUE[level] for level in self.root.value if level < self.level]

    def check_upper_keys(self) -> None:
        """Raise IdentifierError unless each upper unique key is there and single.

        PS3.4 C.4.1.2.1, for hierarchical queries; relational ones need none (C.4.1.2.2). What is
        `is_incomplete` has to be narrowed by some key.
        """
        if self.is_incomplete and not self._is_narrowed:
            self._check_single(next(filter(self._is_universal, self.upper)))
        if not self.options.relational:
            for attribute in self.upper:
                self._check_single(attribute)

    def check_retrieve_keys(self) -> None:
        """Raise IdentifierError unless the unique keys say exactly what to retrieve.

        PS3.4 C.4.2.1.4.1: one value each, but a list of UIDs at the retrieve's own level.
        """
        for attribute in self.upper:
            # A relational retrieve may leave it out, but not spread it (PS3.4 C.4.2.2.2).
            if not self.options.relational or not self._is_universal(attribute):
                self._check_single(attribute)
        own = UNIQUE[self.level]
        self._check_single(own, several=own.vr == "UI")

    @property
    def _is_narrowed(self) -> bool:
        """Whether a key that is matched says more of a value than that there is one."""
        unmatched = self.unsupported
        return any(_narrows(key) for tag, key in self.keys.items() if tag not in unmatched)

    def _is_universal(self, attribute: Attribute) -> bool:
        return is_universal(attribute.vr, self.text(attribute))

    def _check_single(self, attribute: Attribute, several: bool = False) -> None:
        key = self.text(attribute)
        if is_universal(attribute.vr, key):
            raise IdentifierError(f"No {attribute.keyword}", attribute.tag)
        if "*" in key or "?" in key:
            raise IdentifierError(f"Wildcard in {attribute.keyword}", attribute.tag)
        if "\\" in key and not several:
            raise IdentifierError(f"More than one {attribute.keyword}", attribute.tag)

    @cached_property
    def matched(self) -> list[Attribute]:
        """The keys of the index that narrow the answers.

        The level's own and the upper unique ones; of a relational query all.
        """
        known = [BY_TAG[tag] for tag in self.keys if tag in BY_TAG]
        return [
            a
            for a in known
            if self.options.relational or self.level_of(a) == self.level or a in self.upper
        ]

    @cached_property
    def returned(self) -> list[Attribute]:
        """What of the index an answer holds: the keys asked for, and the upper unique ones."""
        return [
            a
            for a in BY_KEYWORD.values()
            if a in self.upper or (a.tag in self.keys and self.level_of(a) <= self.level)
        ]

    @cached_property
    def from_headers(self) -> Elements:
        """The keys that no column serves: they are matched and answered from stored headers."""
        return {tag: key for tag, key in self.keys.items() if tag not in BY_TAG}

    @property
    def unsupported(self) -> list[BaseTag]:
        """The keys with a value that take no part in matching (PS3.4 C.2.2.1.3)."""
        unmatched = [
            tag
            for tag, key in self.keys.items()
            if tag in BY_TAG and key.text and not self._can_match(BY_TAG[tag])
        ]
        return [*unmatched, *self.unheeded]

    def _can_match(self, attribute: Attribute) -> bool:
        return attribute.can_match and attribute in self.matched


_ABSENT = Element("UN")
# Of levels, as clients write them (dcmjs-dimse, dicomtrolley).
_OTHER_NAMES = {"INSTANCE": "IMAGE"}


def identifier_of(
    data: bytes, transfer_syntax: str, charset: str
) -> tuple[Elements, list[BaseTag], str]:
    """An identifier's elements, those of bulk data that have a value, and what is odd about it.

    `charset` is for text that names none. Raises DataSetError where it cannot be read.
    """
    if len(data) > MAX_IDENTIFIER_BYTES:
        raise DataSetError(f"Identifier longer than {MAX_IDENTIFIER_BYTES} bytes")
    budget = ReadBudget(MESSAGE)
    identifier, oddity = _decoded(data, transfer_syntax, budget)
    keys = elements.read(identifier, None, charset, unknown_vr="LO", budget=budget)
    others = identifier.keys() - keys.keys() - _OF_ENCODING
    return keys, sorted(tag for tag in others if _has_value(identifier, tag)), oddity


def _decoded(data: bytes, transfer_syntax: str, budget: ReadBudget) -> tuple[Dataset, str]:
    """The data set that an identifier is, and what is odd about it. Raises DataSetError.

    pynetdicom2 deflates none, in a context of Deflated Explicit VR Little Endian either.
    """
    try:
        return reader.read_whole(data, transfer_syntax, budget), ""
    except BudgetError:
        raise
    except DataSetError:
        if transfer_syntax in DEFLATED:
            with suppress(DataSetError):
                plain = reader.read_whole(data, ExplicitVRLittleEndian, ReadBudget(MESSAGE))
                return plain, "it is not deflated, as its transfer syntax has it"
        raise


def _level(root: Root, keys: Elements, lenient: bool) -> tuple[Root, Level]:
    """The model and the level; leniently, with names that are not the standard's."""
    name = keys.get(QUERY_RETRIEVE_LEVEL, _ABSENT).text
    if not name:
        raise IdentifierError("No Query/Retrieve Level", QUERY_RETRIEVE_LEVEL)
    if lenient:
        name = _OTHER_NAMES.get(name.upper(), name.upper())
        if root is Root.STUDY and name == Level.PATIENT.name:
            root = Root.PATIENT
    levels: dict[str, Level] = {level.name: level for level in root.value}
    if name not in levels:
        raise IdentifierError(
            f"Query/Retrieve Level {name[:16]} is none of {', '.join(levels)}",
            QUERY_RETRIEVE_LEVEL,
        )
    return root, levels[name]


def check_lists(keys: Elements) -> None:
    """Raise IdentifierError where a key has more values, or a longer one, than are looked for."""
    for tag, key in keys.items():
        # Not of UIDs: a retrieve names each instance of a study (PS3.4 C.4.2.1.4.1).
        if key.vr not in _OF_ANY_LENGTH and key.text.count("\\") >= MAX_VALUES:
            name = keyword_for_tag(tag) or str(tag)
            raise IdentifierError(f"More than {MAX_VALUES} values in {name}", tag)
        if len(key.text) > _MAX_KEY_CHARACTERS and _longest(key) > _MAX_KEY_CHARACTERS:
            name = keyword_for_tag(tag) or str(tag)
            raise IdentifierError(f"Over {_MAX_KEY_CHARACTERS} characters in {name}", tag)
        for item in key.items or ():
            check_lists(item)


def _longest(key: Element) -> int:
    """The length of the longest value of a key."""
    return max(map(len, split(key.vr, key.text)))


def _has_value(identifier: Dataset, tag: BaseTag) -> bool:
    # As it came: not every value can be converted.
    held = identifier.get_item(tag, keep_deferred=True)
    return bool(held and held.value)


def keys_of(found: Elements) -> Elements:
    """What of an identifier, or of an item in it, is a key."""
    return {
        tag: key if key.items is None else replace(key, items=tuple(map(keys_of, key.items)))
        for tag, key in found.items()
        if is_key(tag)
    }


def _narrows(key: Element) -> bool:
    """Whether a key asks for more than wildcards alone do, which find what has any value."""
    if key.items is not None:
        return any(_narrows(held) for item in key.items for held in item.values())
    return not is_universal(key.vr, key.text) and bool(key.text.strip(_WILDCARDS_ALONE))


def _is_among(value: str, key: str) -> bool:
    """Whether a code matches a key of a code string."""
    return matches("CS", value, key)


def is_key(tag: BaseTag) -> bool:
    """Whether an element of an identifier is a key of entities (PS3.4 C.4.1.1.3)."""
    if tag.element == 0 or tag in _OF_ENCODING:
        return False
    return tag not in _NOT_KEYS and not _is_of_no_data_set(tag)


def _is_not_heeded(tag: BaseTag) -> bool:
    return tag in _NOT_HEEDED or (_is_of_no_data_set(tag) and tag.element != 0)


def _is_of_no_data_set(tag: BaseTag) -> bool:
    """Whether it is of a group that is in no data set, as those of file meta (PS3.4 C.4.1.1.3).

    Orthanc sends Media Storage SOP Instance UID (0002,0003) wherever it sends SOP Instance UID.
    """
    return tag.group < _FIRST_GROUP
