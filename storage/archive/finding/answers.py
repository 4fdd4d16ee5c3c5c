"""The answers to a query, as they are read from the index."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice

from storage.archive.finding.header_search import HeaderSearch
from storage.dicom.data_sets import Elements
from storage.files import turn
from storage.index import Index, Stop
from storage.index import search as finding

# Entities whose headers are read together: at first few, for the first answer to come soon.
_FIRST, _MOST = 16, 256
# Between two looks, in seconds, whether to go on.
_LOOK_SECONDS = 0.02
# A row of an entity: its number, and the values of `Query.returned`.
_Rows = Iterator[tuple[int, tuple[str, ...]]]


@dataclass(frozen=True)
class QueryAnswer:
    """An entity that matches: the values of `Query.returned`, and what its header holds."""

    texts: tuple[str, ...]
    extra: Elements
    row_id: int = field(compare=False, repr=False)


def _untold(read: int, total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class HeaderLimits:
    """How headers are read for keys that no column serves.

    `most` of them for one query, 0: any number. `turns`: so many queries read at one time, in all
    processes of the data folder that say so; 0: any number. `told` is, now and then, how many are
    read of how many.
    """

    most: int = 0
    turns: int = 0
    told: Callable[[int, int], None] = _untold


NO_LIMITS = HeaderLimits()


class QueryAnswers:
    """The answers to a query, one an entity, as they are read from the index.

    Iterate once; then `search` tells how many headers had to be read, and which could not be.
    """

    def __init__(
        self,
        index: Index,
        search: HeaderSearch,
        stop: Stop,
        limits: HeaderLimits = NO_LIMITS,
        page: finding.Page | None = None,
    ) -> None:
        """Those of a page, or all in any order."""
        self.search = search
        self._page = page
        self._index = index
        self._stop = stop
        self._limits = limits
        self._looked = 0.0
        self._takes_turns = limits.turns > 0

    def __iter__(self) -> Iterator[QueryAnswer]:
        """The answers. Raises ResourceError, also where more headers are to be read than may be."""
        if self.search.query.excludes_all:
            return
        engine = self._index.engine
        with engine.reading(), engine.interruptible(self._stop):
            if not self.search.is_needed:
                rows = finding.rows(self._index, self.search.query, page=self._page)
                yield from _of_rows(rows)
                return
            rows = self._begun()
            found = self._looked_up(rows) if self.search.is_needed else _of_rows(rows)
            page = self._page or finding.Page()
            yield from islice(found, page.offset, page.end)

    def count(self) -> int | None:
        """How many there are, by the index; None where headers tell which. Raises ResourceError."""
        if self.search.matched:
            return None
        with self._index.engine.reading():
            return finding.count(self._index, self.search.query, 0)

    def _begun(self) -> _Rows:
        """The rows, once it is known how many headers are to be read."""
        narrowed = self.search.conditions
        order = None if self._page is None else finding.Page()
        rows = finding.rows(self._index, self.search.query, narrowed, order)
        first, most = list(islice(rows, _FIRST)), self._limits.most
        if not self.search.goes_by_values():  # from here on one state of the index is read
            narrowed = ()
            rows = finding.rows(self._index, self.search.query, page=order)
            first = list(islice(rows, _FIRST))
        unread = self.search.unread_values(most)
        if unread is not None:
            self._takes_turns = self._takes_turns and unread > 0
            self.search.begin(unread, 0)
            return chain(first, rows)
        total = len(first)
        if total == _FIRST:  # else these are all
            total = finding.count(self._index, self.search.query, most, narrowed)
        self.search.begin(total, most)
        return chain(first, rows)

    def _looked_up(self, rows: _Rows) -> Iterator[QueryAnswer]:
        """Those that match by their headers, page by page in the order of their rows."""
        size = _FIRST
        while page := dict(islice(rows, size)):
            found = self._matching(list(page))
            for row_id, texts in page.items():
                if row_id in found:
                    yield QueryAnswer(texts, found[row_id], row_id)
            size = min(4 * size, _MOST)

    def _matching(self, page: list[int]) -> dict[int, Elements]:
        """What those of a page answer that match."""
        found = {}
        with self._turn():
            for row_id, extra in self.search.answers(page):
                self._look()
                if extra is not None:
                    found[row_id] = extra
        return found

    def _turn(self) -> AbstractContextManager[None]:
        """Of a page: so queries take turns, and a short one does not wait for a long one's end."""
        if not self._takes_turns:
            return nullcontext()
        return turn(self.search.tree.data / "headers.lock", self._limits.turns, self._look)

    def _look(self) -> None:
        """Tell how far it is, and ask whether to go on; not with each header, it takes longer."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._limits.told(self.search.read, self.search.total)
            self._stop()


def _of_rows(rows: _Rows) -> Iterator[QueryAnswer]:
    return (QueryAnswer(texts, {}, row_id) for row_id, texts in rows)


def turns() -> int:
    """How many queries are to read headers at one time: stores need the other processors."""
    return max(1, len(os.sched_getaffinity(0)) // 2)
