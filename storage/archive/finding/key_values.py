"""What the index holds of the keys of a query that were added to it, in place of headers.

It narrows the entities that are looked at, to no fewer than match; the rules of matching, which
headers are held to, decide on what it holds.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from peewee import OP, EnclosedNodeList, Expression, fn
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from storage.dicom import HeaderValue
from storage.dicom.data_sets import Element
from storage.dicom.values import Level, Uids, vr_of_tag
from storage.index import AddedKey, Index, candidates, pages
from storage.index import search as finding
from storage.journal.corrections import ever_corrected
from storage.query import Options, Query, are_alike, has_form, is_looked_up

# Instances that are looked up in the index of values; where more may match, others keys narrow.
_MOST_LOOKED_UP = 2000
_EMPTY = '""'


class Held(NamedTuple):
    """What the index holds for an entity: the instance that speaks for it, and each key's value."""

    instance: int
    values: dict[int, HeaderValue]


class KeyValues:
    """Those of one query, asked within a reading of the index."""

    def __init__(self, index: Index, query: Query, data: Path) -> None:
        self._index, self._query, self._data = index, query, data

    @property
    def are_unchanged(self) -> bool:
        """Whether what narrows is still there: a key that was removed meanwhile tells nothing."""
        held = self._index.engine.added_keys.all() if self.tags else {}
        used = (self._added[tag] for tag in self.tags)
        return all(
            (now := held.get(one.tag)) is not None and now.is_filled and now.decided == one.decided
            for one in used
            if one.is_filled
        )

    def forget(self) -> None:
        """Have headers be read for all keys."""
        vars(self).update(tags=frozenset(), are_all=False, conditions=())

    @cached_property
    def tags(self) -> frozenset[int]:
        """The keys that were added, filled in or not."""
        return frozenset(self._added) & frozenset(map(int, self._query.from_headers))

    @cached_property
    def are_all(self) -> bool:
        """Whether the index has what is asked of headers, but for single ones."""
        keys = self._query.from_headers
        return len(self.tags) == len(keys) and all(self._added[tag].is_filled for tag in self.tags)

    @cached_property
    def may_be_corrected(self) -> bool:
        """Whether a value may be answered otherwise than it came."""
        return not self._corrected.isdisjoint(self.tags)

    @cached_property
    def _corrected(self) -> frozenset[int]:
        if not self.tags:
            return frozenset()
        tags = map(tag_for_keyword, ever_corrected(self._data))
        return frozenset(int(tag) for tag in tags if tag is not None)

    @cached_property
    def conditions(self) -> finding.Conditions:
        """What narrows the entities to those that may match."""
        if not self.tags:
            return ()
        found = (self._condition(tag) for tag in sorted(self.tags) if self._narrows(tag))
        return [one for one in found if one is not None]

    def count_unread(self, most: int) -> int:
        """Of how many instances a header has to be read all the same, up to one more than `most`.

        0: all are counted.
        """
        return self._index.engine.added_values.count_unread(self.tags, most)

    def of(self, row_ids: Sequence[int]) -> dict[int, Held]:
        """Those of the entities of which all that is asked is there."""
        if len(self.tags) != len(self._query.from_headers):
            return {}
        speaker = pages.NEWEST[self._query.level]
        found = self._index.engine.added_values.of(speaker, row_ids, self.tags)
        return {
            row_id: Held(instance, values)
            for row_id, (instance, values) in found.items()
            if len(values) == len(self.tags)
        }

    def came_as(self, instances: Sequence[int]) -> dict[int, tuple[Uids, str]]:
        """Of each instance its UIDs, and the Patient ID that it came with."""
        return self._index.engine.added_values.came_as(instances)

    @cached_property
    def _added(self) -> dict[int, AddedKey]:
        held = self._index.engine.added_keys.all()
        return {tag: one for tag, one in held.items() if not one.is_removed}

    def _narrows(self, tag: int) -> bool:
        """Whether the forms of values tell which cannot match."""
        key, vr, options = self._query.from_headers[Tag(tag)], vr_of_tag(tag), self._query.options
        if not self._added[tag].is_filled or tag in self._corrected:
            return False
        if _is_for_empty(key, options):
            return True
        is_fuzzy = options.fuzzy_names and vr == "PN"
        return are_alike(key.vr, vr) and not is_fuzzy and has_form(vr, key.text)

    def _condition(self, tag: int) -> Any:
        """What an entity has to meet; None where it takes longer to look up than to look at all."""
        key, level = self._query.from_headers[Tag(tag)], self._query.level
        text = "" if _is_for_empty(key, self._query.options) else key.text
        if not text or is_looked_up(vr_of_tag(tag), text):
            found = candidates(tag, text)
            if self._index.engine.added_values.are_few(found, _MOST_LOOKED_UP):
                return Expression(self._index[level].id, OP.IN, _enclosed(self._entities_of(found)))
        if level is not Level.IMAGE:
            return None
        return fn.EXISTS(candidates(tag, text, self._index[level].id))

    def _entities_of(self, instances: Any) -> Any:
        """The selection of the entities of the query's level that these instances are of."""
        level, models = self._query.level, self._index.models
        if level is Level.IMAGE:
            return instances
        child = models[Level.IMAGE].alias()
        selected, found = child.select(), child.id.in_(instances)
        for above in range(Level.SERIES, level, -1):
            parent = models[Level(above)].alias()
            selected = selected.join_from(child, parent, on=(child.parent == parent.id))
            child = parent
        return selected.where(found).columns(child.parent)


def _enclosed(selected: Any) -> Any:
    return EnclosedNodeList((selected,))


def _is_for_empty(key: Element, options: Options) -> bool:
    return options.empty_value and key.text == _EMPTY  # PS3.4 C.2.2.2.7
