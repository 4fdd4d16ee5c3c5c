"""The rows of an index that is made anew: of what the journal tells, then of the other files.

The journal is gone through once, from its beginning on: in the order of its lines, in which rows
take the least time. Nothing of it is held in memory but the pieces that are under way.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import islice

from storage.diagnostics import Event
from storage.dicom.values import Level, Uids
from storage.files import Files
from storage.index import SqliteIndex, counts, digest_in, forget, record, without_row
from storage.journal import RECEIPTS, Receipts, journal_of, receipts_by_digest
from storage.maintenance.recovery.headers import (
    FEW,
    Doubtful,
    FileRead,
    Readers,
    Stretch,
    Unlisted,
)

logger = logging.getLogger(__name__)

# Told now and then: how many files of how many have been read.
Progress = Callable[[int, int], None]

# Read by one process at a time, and entered in one transaction: some hundred receipts.
_PIECE_BYTES = 128 << 10
_PIECE_FILES = FEW
# Whose receipts are looked for together: of all they would take memory without bounds, of fewer
# the receipts of a large study would be read more often.
_MANY = 4096


class Filling:
    """One run; `position` is the byte of the journal up to which all is in the index."""

    def __init__(
        self, tree: Files, index: SqliteIndex, charset: str, readers: Readers, progress: Progress
    ) -> None:
        marked = index.engine.marked(RECEIPTS)
        self.position = marked.position if marked else 0
        self._tree, self._index, self._charset = tree, index, charset
        self._readers, self._progress = readers, progress
        self._journal, self._making = journal_of(tree.data, sync=False), index.engine.making
        self._done, self._of = counts.entities(index, Level.IMAGE), 0

    def fill(self) -> None:
        """Enter every file that is there, and be as far as the journal is now.

        Raises OSError, ResourceError.
        """
        self._of = sum(1 for _ in self._tree.instances())
        self.follow(self._journal.size(RECEIPTS))
        self.settle()
        for _, found in self._readers.read(self._unlisted()):
            self._enter(found, self.position)
        self.settle()
        self._progress(self._of, self._of)

    def follow(self, end: int, locked: bool = True) -> None:
        """Enter what the journal tells up to a position; not `locked` where nobody can store.

        Raises ResourceError.
        """
        for piece, found in self._readers.read(self._stretches(end, locked)):
            self._enter(found, piece.end)

    @property
    def is_settled(self) -> bool:
        """Whether of each file that was read it is known of which receipt it is."""
        return not self._making.unsettled(1)

    def settle(self, locked: bool = True) -> None:
        """Enter those of which that is not known by all that the journal ever told of them.

        Many together: all receipts of their studies are read for them. Raises ResourceError.
        """
        while some := self._making.unsettled(_MANY):
            told = receipts_by_digest(self._journal, some.keys())
            receipts = [Receipts(uids, told.get(uids, {}), doubt) for uids, doubt in some.items()]
            for _, found in self._readers.read(self._doubtful(receipts, locked)):
                with self._index.engine.at_one_time():
                    for one in found:
                        self._put(one)
                        self._making.settle(one.uids)
                self._progress(min(self._done, self._of), self._of)

    def _doubtful(self, receipts: list[Receipts], locked: bool) -> Iterator[Doubtful]:
        for start in range(0, len(receipts), _PIECE_FILES):
            some = tuple(receipts[start : start + _PIECE_FILES])
            yield Doubtful(self._tree.data, self._charset, locked, some)

    def _stretches(self, end: int, locked: bool) -> Iterator[Stretch]:
        last = self.position
        for start, stop in self._journal.pieces(RECEIPTS, last, end, _PIECE_BYTES):
            yield Stretch(self._tree.data, self._charset, locked, start, stop)
            last = stop
        if last < end and not locked:  # it was cut short, and is no line for anybody
            yield Stretch(self._tree.data, self._charset, locked, last, end)

    def _unlisted(self) -> Iterator[Unlisted]:
        """The files that the journal did not lead to."""
        files = self._tree.instances()
        while some := list(islice(files, _PIECE_FILES)):
            missing = without_row(self._index, some)
            if left := tuple(uids for uids in missing if not self._making.is_unread(uids)):
                yield Unlisted(self._tree.data, self._charset, True, left)

    def _enter(self, found: list[FileRead], position: int) -> None:
        """Have the rows be those of what was read, in one transaction."""
        with self._index.engine.at_one_time():
            for one in found:
                if self._is_doubtful(one):
                    self._making.note_unsettled(one.uids, one.is_ambiguous)
                else:
                    self._put(one)
            if position != self.position:
                self._index.engine.mark(self._journal, RECEIPTS, position)
        self.position = position
        self._progress(min(self._done, self._of), self._of)

    def _is_doubtful(self, one: FileRead) -> bool:
        """Whether the receipt of the file that was read has to be looked for."""
        if one.is_ambiguous or one.held is None:
            return one.is_ambiguous
        # An earlier line led to the row of another receipt: which of them is the file's?
        held = digest_in(self._index, one.uids)
        return held is not None and (not held or held != one.held[1].digest)

    def _put(self, one: FileRead) -> None:
        """Have the row of a file be as it was read."""
        is_new = digest_in(self._index, one.uids) is None
        if one.held is not None:
            record(self._index, *one.held)
            self._done += is_new
            return
        if not is_new:
            forget(self._index, one.uids)
            self._done -= 1
        if one.fault:
            self._note(one.uids, one.fault)

    def _note(self, uids: Uids, fault: str) -> None:
        if self._making.note_unread(uids):
            self._done += 1
            logger.error(Event("not indexed", fault, file=self._tree.name(uids)))
