"""The values of keys that were added to the index, of the instances that were there before.

Page by page in the order in which instances arrived, which is about that of the disk: the headers
of a page are read, each under the lock of its instance, and then written in one short transaction.
Where that was cut off it goes on; what arrives meanwhile brings its values with it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from storage.archive.finding import added_keys
from storage.diagnostics import DataSetError
from storage.dicom import HeaderValue, header_values, part10
from storage.dicom.values import Level
from storage.files import Files, files_of
from storage.index import AddedKey, Filled, Index, Location, index_of, pages
from storage.journal import Journal, journal_of

# Told with each page: how far it is, and of how much.
Progress = Callable[[int, int], None]

WHOLE = 100  # percent
# Values that are written in one transaction: others that write wait some 10 ms for it.
_PAGE = 300
_NOT_READ = HeaderValue(text=None)


def is_due(data: Path) -> bool:
    """Whether an index lacks a key that is decided on, or values, or has some of no key any more.

    Raises ResourceError.
    """
    journal = journal_of(data, sync=False)
    if not journal.size(added_keys.KEYS):
        return False
    index = index_of(data)
    with index.engine.connected(), index.engine.reading():
        keys = index.engine.added_keys.all()
        if not added_keys.is_brought_up(index, journal):
            return True
        if not all(one.is_filled for one in keys.values()):
            return True
        return bool(keys) and bool(index.engine.added_values.due(0, 1))


def standings(index: Index, journal: Journal) -> list[tuple[added_keys.Decided, int]]:
    """The keys that are decided on, and how much of each is filled, in percent.

    Raises ResourceError.
    """
    with index.engine.reading():
        held = index.engine.added_keys.all()
        is_due = bool(held) and bool(index.engine.added_values.due(0, 1))
    return [
        (key, _percent(held.get(int(key.tag)), key, is_due))
        for key in added_keys.decided(journal).values()
    ]


def _percent(held: AddedKey | None, key: added_keys.Decided, is_due: bool) -> int:
    if held is None or held.is_removed or held.decided != key.at:
        return 0
    if held.is_filled and not is_due:  # as of what came in the moment in which it was added
        return WHOLE
    return min(WHOLE * held.reached // max(held.last, 1), WHOLE - 1)


def fill(data: Path, progress: Progress) -> None:
    """Have the index be as it is decided, and hold all values; also while others store.

    Raises ResourceError.
    """
    index = index_of(data)
    with index.engine.connected():
        added_keys.bring_up(index, journal_of(data, sync=False))
        for done, of in KeyFilling(files_of(data, sync=False), index).steps():
            progress(done, of)


class KeyFilling:
    """Brings an index to what the keys are that are added to it by now."""

    def __init__(self, files: Files, index: Index) -> None:
        self._files, self._index = files, index
        self._keys, self._values = index.engine.added_keys, index.engine.added_values

    def steps(self) -> Iterator[tuple[int, int]]:
        """Do it, a transaction each time; how far it is, and of how much. Raises ResourceError."""
        with self._index.engine.reading():
            for tag, key in self._keys.all().items():
                while key.is_removed and self._keys.clear_some(tag):
                    yield 0, 0
            while behind := [one for one in self._keys.all().values() if _is_unfilled(one)]:
                yield self._fill_page(behind)
            after = 0
            while (keys := self._keys.all()) and (page := self._values.due(after, _size(keys))):
                after = page[-1]
                self._values.fill(self._read(page, keys.values()), (), 0)
                yield after, after

    def _fill_page(self, behind: Sequence[AddedKey]) -> tuple[int, int]:
        """Of the keys that are behind, from where the first of them stands."""
        at, last = min(one.reached for one in behind), max(one.last for one in behind)
        page = self._values.behind(at, last, _size(behind))
        reached = page[-1] if len(page) == _size(behind) else last
        # Those that are further already are written once more: the same, where they overlap.
        self._values.fill(self._read(page, behind), behind, reached)
        return reached, last

    def _read(self, page: Sequence[int], keys: Iterable[AddedKey]) -> list[Filled]:
        """What the headers of a page of instances say, in the order of their folders."""
        tags = frozenset(one.tag for one in keys if not one.is_removed)
        held = pages.newest(self._index, Level.IMAGE, page)
        ordered = sorted(held.items(), key=lambda one: (*one[1].uids[:2], one[1].arrived))
        return [
            Filled(number, one.arrived, one.digest, self._values_of(one, tags))
            for number, one in ordered
        ]

    def _values_of(self, held: Location, tags: frozenset[int]) -> dict[int, HeaderValue]:
        """A file that is in the place of another has its own row, once its lock is free again."""
        with self._files.locked(held.uids):
            try:
                with self._files.open(held.uids, held.key) as source:
                    syntax = part10.read(source).transfer_syntax_uid
                    return header_values(source, syntax, held.charset, tags)
            except (DataSetError, OSError):
                return dict.fromkeys(tags, _NOT_READ)


def _size(keys: Collection[object]) -> int:
    """How many instances are a page, for so many keys."""
    return max(_PAGE // len(keys), 1)


def _is_unfilled(key: AddedKey) -> bool:
    return not key.is_removed and not key.is_filled
