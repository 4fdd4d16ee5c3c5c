"""The rows of an index that is made anew: of what the journal tells, then of the other files.

The journal is gone through once, from its beginning on: in the order of its lines, in which rows
take the least time. Nothing of it is held in memory but the pieces that are under way.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import islice

from storage.archive import record_file
from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom.values import Level, Uids
from storage.files import Files
from storage.index import SqliteIndex, counts, digest_in, forget, record, without_row
from storage.journal import RECEIPTS, Journal, Receipts, receipts_by_digest
from storage.maintenance.recovery.headers import (
    FEW,
    FileRead,
    Readers,
    Stretch,
    Unlisted,
    is_there,
)

logger = logging.getLogger(__name__)

# Told now and then: how many files of how many have been read.
Progress = Callable[[int, int], None]

# Read by one process at a time, and entered in one transaction: some hundred receipts.
_PIECE_BYTES = 128 << 10
_PIECE_FILES = FEW


class Filling:
    """One run; `position` is the byte of the journal up to which all is in the index."""

    def __init__(
        self, tree: Files, index: SqliteIndex, charset: str, readers: Readers, progress: Progress
    ) -> None:
        marked = index.engine.marked(RECEIPTS)
        self.position = marked.position if marked else 0
        self._tree, self._index, self._charset = tree, index, charset
        self._readers, self._progress = readers, progress
        self._journal = Journal(tree.data, sync=False)
        self._done, self._of = counts.entities(index, Level.IMAGE), 0

    def fill(self) -> None:
        """Enter every file that is there, and be as far as the journal is now.

        Raises OSError, ResourceError.
        """
        self._of = sum(1 for _ in self._tree.instances())
        self.follow(self._journal.size(RECEIPTS))
        for _, found in self._readers.read(self._unlisted()):
            self._enter(found, self.position)
        self._progress(self._of, self._of)

    def follow(self, end: int, locked: bool = True) -> None:
        """Enter what the journal tells up to a position; not `locked` where nobody can store.

        Raises ResourceError.
        """
        for piece, found in self._readers.read(self._stretches(end, locked)):
            self._enter(found, piece.end)

    def _stretches(self, end: int, locked: bool) -> Iterator[Stretch]:
        last = self.position
        for start, stop in self._journal.pieces(RECEIPTS, last, end, _PIECE_BYTES):
            yield Stretch(self._tree.data, self._charset, locked, start, stop)
            last = stop
        if last < end and not locked:  # it was cut short, and is no line for anybody
            yield Stretch(self._tree.data, self._charset, locked, last, end)

    def _unlisted(self) -> Iterator[Unlisted]:
        """The files that the journal did not lead to."""
        files, making = self._tree.instances(), self._index.engine.making
        while some := list(islice(files, _PIECE_FILES)):
            missing = without_row(self._index, some)
            if left := tuple(uids for uids in missing if not making.is_unread(uids)):
                yield Unlisted(self._tree.data, self._charset, True, left)

    def _enter(self, found: list[FileRead], position: int) -> None:
        """Have the rows be those of what was read, in one transaction."""
        with self._index.engine.at_one_time():
            ambiguous = [one for one in found if not self._has_entered(one)]
            if ambiguous:
                self._settle(ambiguous)
            if position != self.position:
                self._index.engine.mark(self._journal, RECEIPTS, position)
        self.position = position
        self._progress(min(self._done, self._of), self._of)

    def _has_entered(self, one: FileRead) -> bool:
        """Enter what was read of a file, unless its receipt has to be looked for."""
        self._done += bool(one.held or one.fault or one.is_ambiguous)
        if one.is_ambiguous:
            return False
        held = digest_in(self._index, one.uids)
        if one.held is None:
            if held is not None:
                forget(self._index, one.uids)
            if one.fault:
                self._note(one.uids, one.fault)
            return True
        header, facts = one.held
        # An earlier line led to the row of another receipt: which of them is the file's?
        if held is not None and (not held or held != facts.digest):
            return False
        record(self._index, header, facts)
        return True

    def _settle(self, ambiguous: list[FileRead]) -> None:
        """Enter files by all that the journal ever told of them."""
        told = receipts_by_digest(self._journal, {one.uids for one in ambiguous})
        for one in ambiguous:
            receipts = Receipts(one.uids, told.get(one.uids, {}), withdrawn=one.is_ambiguous)
            try:
                record_file(self._tree, one.uids, self._index, self._charset, receipts)
            except ResourceError:
                raise
            except ArchiveError as error:
                forget(self._index, one.uids)
                if is_there(self._tree, one.uids):
                    self._note(one.uids, str(error))

    def _note(self, uids: Uids, fault: str) -> None:
        if self._index.engine.making.note_unread(uids):
            logger.error(Event("not indexed", fault, file=self._tree.name(uids)))
