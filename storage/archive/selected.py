"""The instances of a selection, as many as they are: counted at once, and read by pages.

All of them are of one state of the index. What is behind the first page is read by a thread of
its own, so that nobody waits for it who begins with the first, and lies packed until it is asked
for: 60 bytes an instance in place of a thousand.
"""

import json
import threading
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from types import TracebackType
from typing import overload

from storage.diagnostics import ArchiveError, ResourceError
from storage.index import Index, Location, pages, search

# So many are read and packed at a time; no more are read at once, without a thread.
_PAGE = 256
# To pack so few takes longer than it spares.
_FEW = 4
_FASTEST = 1  # of zlib's levels: what is alike on a page takes hardly any room


class PackedLocations(Sequence[Location]):
    """Instances in their order, each taken once from where they are read."""

    def __init__(self, locations: Iterable[Location] = ()) -> None:
        self._pages: list[bytes] = []
        self._last: list[Location] = []  # that fill no page yet
        for location in locations:
            self._last.append(location)
            if len(self._last) == _PAGE:
                self._pages.append(_packed(self._last))
                self._last = []

    def __len__(self) -> int:
        return len(self._pages) * _PAGE + len(self._last)

    @overload
    def __getitem__(self, number: int) -> Location: ...
    @overload
    def __getitem__(self, number: slice) -> list[Location]: ...
    def __getitem__(self, number: int | slice) -> Location | list[Location]:
        """One of them, or some. Raises ResourceError."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        page, place = divmod(range(len(self))[number], _PAGE)
        return self._page(page)[place]

    def __iter__(self) -> Iterator[Location]:
        """Each of them. Raises ResourceError."""
        for page in range(-(-len(self) // _PAGE)):
            yield from self._page(page)

    def _page(self, number: int) -> list[Location]:
        return _unpacked(self._pages[number]) if number < len(self._pages) else self._last


class Selected(PackedLocations):
    """The instances of a selection as they arrived; who asks for one still to be read waits.

    To be closed: a thread that is still reading then ends. Taking instances raises ResourceError
    where the rest cannot be read.
    """

    def __init__(self, index: Index, conditions: search.Conditions) -> None:
        """Raises ResourceError."""
        super().__init__()
        self._index = index
        self._conditions = conditions
        self._total = -1  # not counted yet
        self._fault = ""
        self._is_closed = False
        self._changed = threading.Condition()
        # SOP Class UID and Transfer Syntax UID of the instances, each pair once; and their studies.
        self.kinds: list[tuple[str, str]] = []
        self.studies: list[str] = []
        with index.engine.reading(), index.engine.at_one_time():
            some = sorted(pages.numbers(index, conditions, _PAGE + 1))
            if len(some) <= _PAGE:
                self._begin(len(some), sorted(pages.locations(index, some), key=_arrived))
                return
        threading.Thread(target=self._read_apart, daemon=True, name="selected").start()
        with self._changed:
            self._changed.wait_for(lambda: self._total >= 0 or self._fault)
        if self._total < 0:
            raise ResourceError(self._fault)

    def __enter__(self) -> "Selected":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._is_closed = True

    def __len__(self) -> int:
        return self._total

    def _page(self, number: int) -> list[Location]:
        if self._last:
            return self._last
        if number >= len(self._pages):
            with self._changed:
                self._changed.wait_for(lambda: number < len(self._pages) or self._fault)
            if number >= len(self._pages):
                raise ResourceError(self._fault)
        return _unpacked(self._pages[number])

    def _read_apart(self) -> None:
        try:
            with self._index.engine.connected():
                self._read()
        except Exception as error:
            is_told = isinstance(error, ArchiveError)
            self._end(str(error) if is_told else f"The index cannot be read: {error!r}")
        finally:
            self._end("The selection was closed")

    def _read(self) -> None:
        engine = self._index.engine
        with engine.reading(), engine.at_one_time():  # in one transaction: of one state
            numbers = array("q", pages.numbers(self._index, self._conditions))
            first = pages.locations(self._index, numbers[:_PAGE])
            self._begin(len(numbers), first)
            for start in range(_PAGE, len(numbers), _PAGE):
                if self._is_closed:
                    break
                self._add(pages.locations(self._index, numbers[start : start + _PAGE]))

    def _begin(self, total: int, first: list[Location]) -> None:
        found = [(one.uids[0], one.sop_class_uid, one.transfer_syntax_uid) for one in first]
        if total > len(first):
            found += pages.kinds(self._index, self._conditions)
        self.studies = list(dict.fromkeys(study for study, *_ in found))
        self.kinds = list(dict.fromkeys((sop_class, syntax) for _, sop_class, syntax in found))
        if total > _FEW:
            self._add(first)
        else:
            self._last = first
        with self._changed:
            self._total = total
            self._changed.notify_all()

    def _add(self, page: list[Location]) -> None:
        packed = _packed(page)
        with self._changed:
            self._pages.append(packed)
            self._changed.notify_all()

    def _end(self, why: str) -> None:
        """Nothing more is read: who waits for more is told why."""
        with self._changed:
            self._fault = self._fault or why
            self._changed.notify_all()


def _packed(page: list[Location]) -> bytes:
    rows = [(*one.uids, *_rest(one)) for one in page]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), _FASTEST)


def _unpacked(page: bytes) -> list[Location]:
    return [search.location(row) for row in json.loads(zlib.decompress(page))]


_arrived = attrgetter("arrived")
# What a location has beside its UIDs.
_rest = attrgetter(*[one.name for one in fields(Location)][1:])
