"""Queries as a person writes them: keywords and values, in the place of an identifier."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydicom.datadict import (
    dictionary_has_tag,
    dictionary_VR,
    keyword_dict,
    keyword_for_tag,
    tag_for_keyword,
)
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import IdentifierError
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import BY_TAG, Level, split
from storage.query.folding import RANGE_VRS
from storage.query.identifier import Options, Query, Root
from storage.query.ranges import is_range

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
# Each key counts, whatever its level, and `""` asks for what is empty (PS3.4 C.4.1.2.2, C.2.2.2.7).
# Of several values any will do, other than by multiple value matching (PS3.4 C.2.2.2.8).
_OPTIONS = Options(relational=True, empty_value=True)
_EMPTY = '""'
_FORMS = {
    "DA": "takes YYYYMMDD, or a range such as 20260101-20261231, 20260101- or -20261231",
    "TM": "takes HHMMSS, or a range such as 080000-120000",
    "DT": "takes YYYYMMDDHHMMSS, or a range such as 20260101- or -20261231",
}


@dataclass(frozen=True)
class KeyPath:
    """An attribute, in the items of sequences or not; `name` is what it was asked for as."""

    name: str
    tags: tuple[BaseTag, ...]

    @property
    def vr(self) -> str:
        """Its VR by PS3.6, the first of several; LO where it has none there."""
        last = self.tags[-1]
        return dictionary_VR(last).split(" ")[0] if dictionary_has_tag(last) else "LO"


def key_path(name: str) -> KeyPath:
    """An attribute by its keyword, or its tag as (gggg,eeee); in sequences with dots between.

    Raises IdentifierError where there is none of that name.
    """
    tags = tuple(_tag(part, name) for part in name.split("."))
    for tag in tags[:-1]:
        if not dictionary_has_tag(tag) or dictionary_VR(tag) != "SQ":
            raise IdentifierError(f"{name}: {keyword_for_tag(tag) or tag} is no sequence", tag)
    return KeyPath(name, tags)


def _tag(part: str, name: str) -> BaseTag:
    number = tag_for_keyword(part)
    if number is not None:
        return Tag(number)
    if written := _TAG.fullmatch(part):
        return Tag(int(written[1], 16), int(written[2], 16))
    where = f"{name}: " if part != name else ""
    raise IdentifierError(f"{where}{part or 'nothing'} is no attribute of PS3.6{_nearest(part)}")


def _nearest(part: str) -> str:
    by_letters = {keyword.lower(): keyword for keyword in keyword_dict}
    found = difflib.get_close_matches(part.lower(), by_letters, n=1)
    return f"; the nearest is {by_letters[found[0]]}" if found else ""


def asked_by_keyword(
    level: Level, where: Mapping[KeyPath, str], shown: Iterable[KeyPath], fuzzy_names: bool = False
) -> Query:
    """The query for entities of a level: they match all of `where`, and answer `shown` too.

    Raises IdentifierError where a value cannot be one of its attribute.
    """
    keys: Elements = {}
    for path in shown:
        _put(keys, path, "")
    for path, text in where.items():
        _check(path, text)
        _put(keys, path, text)
    options = replace(_OPTIONS, fuzzy_names=fuzzy_names)
    return Query(Root.PATIENT, level, keys, options=options)


def _check(path: KeyPath, text: str) -> None:
    if path.vr not in RANGE_VRS or text in ("", "*", _EMPTY):
        return
    if not all(is_range(path.vr, one) for one in split(path.vr, text)):
        raise IdentifierError(f"{path.name}={text}: {_FORMS[path.vr]}", path.tags[-1])


def _put(keys: Elements, path: KeyPath, text: str) -> None:
    """Enter a key; one that has a value already keeps it where there is none to take its place."""
    for tag in path.tags[:-1]:
        if tag not in keys:
            keys[tag] = Element("SQ", items=({},))
        items = keys[tag].items
        if not items:  # asked for whole
            keys[tag] = Element("SQ", items=({},))
            items = keys[tag].items
        assert items
        keys = items[0]
    last = path.tags[-1]
    if text or last not in keys:
        vr = BY_TAG[last].vr if last in BY_TAG else path.vr
        keys[last] = Element("SQ", items=()) if vr == "SQ" else Element(vr, text)
