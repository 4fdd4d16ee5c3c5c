"""Keys that no column serves: matched and answered from the stored headers (PS3.4 C.2.2.1.3).

For an entity above the instance the header of the instance received last speaks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from storage.archive.finding.header_reader import HeaderReader
from storage.archive.finding.key_values import Held, KeyValues
from storage.diagnostics import BudgetError, DataSetError, ResourceError
from storage.dicom.data_sets import STORED, Element, Elements, ReadBudget, elements
from storage.dicom.values import Uids
from storage.files import Files
from storage.index import Index, Location, pages
from storage.index import search as finding
from storage.journal.corrections import Corrections, in_force
from storage.query import Query, is_universal, matches, sounds_like

_PATIENT_ID = Tag("PatientID")
_NO_CREATOR = Element("LO")


@dataclass
class HeaderSearch:
    """One query's look into headers, and what it cost.

    `total` is how many there are to be read. `unread` are the keys that are not answered, for more
    would have to be read than may be.
    """

    tree: Files
    index: Index
    query: Query
    charset: str
    threads: Executor
    read: int = field(default=0, init=False)
    total: int = field(default=0, init=False)
    unread: list[BaseTag] = field(default_factory=list, init=False)
    unreadable: list[str] = field(default_factory=list, init=False)
    left_out: list[str] = field(default_factory=list, init=False)  # too much to be read

    def __post_init__(self) -> None:
        self._keys = self.query.from_headers
        tags = _stored_tags(self._keys) if self._keys else ()
        self._reader = HeaderReader(self.tree, frozenset(map(int, tags)), self.threads)
        self._values = KeyValues(self.index, self.query, self.tree.data)

    @property
    def is_needed(self) -> bool:
        """Whether there are such keys that are looked up."""
        return bool(self._keys) and not self.unread

    @property
    def matched(self) -> list[BaseTag]:
        """Those of the keys that narrow the entities, and are not asked for alone."""
        return [t for t, key in self._keys.items() if not (_is_creator(t) or _is_open(key))]

    @property
    def conditions(self) -> finding.Conditions:
        """What narrows the entities to those that may match, by values that the index holds."""
        return self._values.conditions

    def goes_by_values(self) -> bool:
        """Whether what narrows is still there; else all headers are read from here on."""
        if not self._values.are_unchanged:
            self._values.forget()
            return False
        return True

    def unread_values(self, most: int) -> int | None:
        """Where the index has all but some of the values: how many these are, if not over `most`.

        For those the headers have to be read, whatever is asked. `most` of 0: any number.
        """
        if not self._values.are_all:
            return None
        count = self._values.count_unread(most)
        return None if 0 < most < count else count

    def begin(self, total: int, most: int) -> None:
        """So many headers are to be read, of which `most` may be; 0: any number.

        Raises ResourceError where they are more, unless the keys are asked for alone: these are
        left out, and each entity is answered all the same (PS3.4 C.2.2.1.3).
        """
        self.total = total
        if not most or total <= most:
            return
        if not self.matched:
            self.unread = list(self._keys)
            return
        names = ",".join(keyword_for_tag(tag) or str(tag) for tag in self.matched)
        raise ResourceError(
            f"{names}: over {most} headers to be read, [query] most_headers; narrow the query by "
            "UIDs, dates or others of the keys that columns serve"
        )

    def answers(self, row_ids: Sequence[int]) -> Iterator[tuple[int, Elements | None]]:
        """What each entity answers to the keys, or None where it does not match them.

        In the order of the disk; one that was deleted since its row was read is left out.
        """
        corrections = in_force(self.tree.data)
        values = self._values.of(row_ids)
        yield from self._answers_of(values, corrections)
        others = [row_id for row_id in row_ids if row_id not in values]
        if not others:
            return
        held = pages.newest(self.index, self.query.level, others)
        for row_id, beginning in self._reader.beginnings(held):
            self.read += 1
            yield row_id, self._answer(held[row_id], beginning, corrections)

    def _answers_of(
        self, values: Mapping[int, Held], corrections: Corrections
    ) -> Iterator[tuple[int, Elements | None]]:
        """The same of entities of which the index holds what is asked."""
        came: Mapping[int, tuple[Uids, str]] = {}
        if corrections and self._values.may_be_corrected:
            came = self._values.came_as([one.instance for one in values.values()])
        for row_id, one in values.items():
            found: dict[BaseTag, Element | None] = {
                Tag(tag): Element(value.vr, value.text or "") if value.vr else None
                for tag, value in one.values.items()
            }
            if one.instance in came:
                found |= self._corrected(*came[one.instance], corrections)
            yield row_id, self._matched(found)

    def _answer(
        self, held: Location, beginning: bytes, corrections: Corrections
    ) -> Elements | None:
        try:
            header = self._reader.header(held, beginning)
            charset = held.charset or self.charset
            found = {t: self._find(header, t, key, charset) for t, key in self._keys.items()}
            if corrections:
                patient = _read(header, (_PATIENT_ID,), charset).get(_PATIENT_ID)
                came_with = patient.text if patient else ""
                found |= self._corrected(held.uids, came_with, corrections)
        except BudgetError as error:
            self.left_out.append(f"{held.uids[2]} ({error})")
            return None
        except (DataSetError, OSError):
            self.unreadable.append(held.uids[2])
            return None
        return self._matched(found)

    def _matched(self, found: Mapping[BaseTag, Element | None]) -> Elements | None:
        """What an entity answers with these values, or None where they do not match."""
        for tag, key in self._keys.items():
            if not _is_creator(tag) and not self._matches(found[tag], key):
                return None
        return {tag: _restricted(found[tag], key, self) for tag, key in self._keys.items()}

    def _corrected(
        self, uids: Uids, patient_id: str, corrections: Corrections
    ) -> dict[BaseTag, Element]:
        """The keys whose values were corrected, of an instance that came with that Patient ID."""
        changed = corrections.changes(uids, patient_id)
        texts = {Tag(keyword): text for keyword, text in changed.items()}
        return {tag: Element(dictionary_VR(tag), texts[tag]) for tag in self._keys if tag in texts}

    def _find(self, header: Dataset, tag: BaseTag, key: Element, charset: str) -> Element | None:
        """The element that a key asks for; a private one by its creator (PS3.5 7.8.1)."""
        if _is_creator(tag):
            return key
        there, vr = tag, key.vr
        if tag.is_private:
            creator = self._keys.get(Tag(tag.group, tag.element >> 8), _NO_CREATOR).text
            if creator:  # else the element of just that tag, whosever it is
                block = _block(header, tag.group, creator)
                if block is None:
                    return None
                there = Tag(tag.group, (block << 8) | (tag.element & 0xFF))
                vr = elements.private_vr(tag, creator) or vr
        return _read(header, (there,), charset, vr).get(there)

    def _matches(self, found: Element | None, key: Element) -> bool:
        if key.items is not None:
            wanted = key.items[0] if key.items else {}
            if all(_is_open(part) for part in wanted.values()):
                return True
            return any(self._item_matches(i, wanted) for i in (found and found.items) or ())
        text = found.text if found else ""
        if self.query.options.empty_value and key.text == '""':  # PS3.4 C.2.2.2.7
            return not text
        vr = found.vr if found else key.vr
        if matches(vr, text, key.text, self.query.options.multiple_values):
            return True
        return self.query.options.fuzzy_names and vr == "PN" and sounds_like(text, key.text)

    def _item_matches(self, item: Elements, wanted: Elements) -> bool:
        return all(self._matches(item.get(tag), key) for tag, key in wanted.items())


def _read(header: Dataset, tags: Iterable[BaseTag], charset: str, vr: str = "UN") -> Elements:
    return elements.read(header, tags, charset, unknown_vr=vr, budget=ReadBudget(STORED))


def _stored_tags(keys: Elements) -> Iterator[BaseTag | int]:
    """What may be asked of a stored header: a private element lies in any block (PS3.5 7.8.1)."""
    yield _PATIENT_ID
    for tag in keys:
        if not tag.is_private:
            yield tag
            continue
        for block in range(0x10, 0x100):
            yield tag.group << 16 | block
            yield tag.group << 16 | block << 8 | tag.element & 0xFF


def _restricted(found: Element | None, key: Element, search: HeaderSearch) -> Element:
    """What is answered: of a sequence the items that match, and of these what was asked."""
    if found is None:
        return Element(key.vr, items=() if key.items is not None else None)
    wanted = key.items[0] if key.items else None
    if not wanted:  # a sequence without keys in it is asked for whole (PS3.4 C.2.2.2.6)
        return found
    items = [item for item in found.items or () if search._item_matches(item, wanted)]
    return Element(
        "SQ",
        items=tuple(
            {t: _restricted(item.get(t), part, search) for t, part in wanted.items()}
            for item in items
        ),
    )


def _is_open(key: Element) -> bool:
    if key.items is not None:
        return all(_is_open(part) for item in key.items for part in item.values())
    return is_universal(key.vr, key.text)


def _is_creator(tag: BaseTag) -> bool:
    return tag.is_private and 0x10 <= tag.element <= 0xFF


def _block(header: Dataset, group: int, creator: str) -> int | None:
    """The block that `creator` has reserved in `group` of this data set."""
    reserved = [tag for tag in header.keys() if tag.group == group and _is_creator(tag)]  # noqa: SIM118
    for tag, element in _read(header, reserved, "", "LO").items():
        if element.text == creator:
            return int(tag.element)
    return None
