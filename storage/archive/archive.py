"""The archive: `store`, `find` and `locate` over the tree and the index."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from storage.archive.finding import AnsweringArchive, added_tags
from storage.archive.receiving.log import Company, Entry, WriteAheadLog
from storage.archive.receiving.received import (
    OnConflict,
    Received,
    Stored,
    StoreOutcome,
    check_command,
    facts_of,
    outcome_of,
    receipt,
)
from storage.archive.selected import Selected
from storage.diagnostics import (
    ArchiveError,
    DataSetError,
    MismatchError,
    ResourceError,
)
from storage.dicom import Header, foreign_files, header_values, instance_header, part10
from storage.dicom.values import Uids
from storage.files import (
    Bounds,
    IncomingDataSet,
    SeriesDocuments,
    SupersededLimiter,
    Tree,
    files_of,
)
from storage.index import (
    FileFacts,
    digest_in,
    index_of,
    pages,
    record,
    search,
)
from storage.index.consistency import about
from storage.journal import RECEIPTS, FolderJournal, Withdrawals, journal_of, line_of, pinned
from storage.journal.corrections import in_force
from storage.query import Query
from storage.sharing.place import shared_place

if TYPE_CHECKING:
    from storage.archive.receiving.shared_stores import SharedStores

_NO_BOUNDS = Bounds()


class Archive(AnsweringArchive):
    """A data folder in the hands of one process; safe to use from many threads.

    `logged`: small new instances go by the write-ahead log, and it is to be closed. Every method
    raises ArchiveError, by the kinds of `storage.diagnostics`, and nothing else.
    """

    def __init__(
        self,
        data: Path,
        sync: bool = True,
        on_conflict: OnConflict = OnConflict.REPLACE,
        free_bytes: int = 0,
        bounds: Bounds = _NO_BOUNDS,
        logged: bool = False,
    ) -> None:
        tree, journal = files_of(data, sync), journal_of(data, sync)
        super().__init__(tree, index_of(data, sync, pooled=True), journal)
        self._shared = _shared_stores(data, bounds) if shared_place(data) else None
        logs = logged and sync and not self._shared
        self._log = WriteAheadLog(data, self.journal, self.tree) if logs else None
        self._company = Company(journal) if isinstance(journal, FolderJournal) else None
        self.withdrawals = Withdrawals(self.journal)
        self.documents = SeriesDocuments(data)
        self._copies = (
            SupersededLimiter(tree.superseded, bounds) if isinstance(tree, Tree) else None
        )
        self.set_policy(on_conflict, free_bytes, bounds)

    def set_policy(
        self, on_conflict: OnConflict, free_bytes: int, bounds: Bounds = _NO_BOUNDS
    ) -> None:
        """What happens to other content for an instance, and what must stay free on the disk."""
        self._on_conflict, self.free_bytes = on_conflict, free_bytes
        if self._copies:
            self._copies.bounds = bounds
        if self._shared:
            self._shared.on_conflict, self._shared.bounds = on_conflict, bounds
        if self._log:
            self._log.free_bytes = free_bytes

    def close(self) -> None:
        """Have all that was stored be where it belongs, on the disk; nothing is stored then."""
        if self._log:
            self._log.close()

    @property
    def shared(self) -> "SharedStores | None":
        """How instances are stored where several nodes have it; None: one has."""
        return self._shared

    @property
    def is_shared(self) -> bool:
        """Whether several nodes have it."""
        return self._shared is not None

    def store(self, received: Received) -> Stored:
        """Write the file, then its index row: on the disk when it returns, or no trace of it."""
        data = received.data_set
        if isinstance(data, IncomingDataSet):
            return self._store(received, data)
        intake = self.receive(
            received.sop_class_uid, received.sop_instance_uid, received.transfer_syntax_uid
        )
        intake.write(data)
        try:
            return self._store(received, intake)
        finally:
            intake.discard()

    def receive(
        self, sop_class_uid: str, sop_instance_uid: str, syntax_uid: str
    ) -> IncomingDataSet:
        """What takes the data set of an instance as it arrives: for `store`, or to be discarded.

        The texts are those of its command, and may be anything: `store` checks them.
        """
        head = part10.header(sop_class_uid, sop_instance_uid, syntax_uid)
        larger = self._company if self._log else None
        return IncomingDataSet(self.tree, head, self.free_bytes, larger)

    def _store(self, received: Received, intake: IncomingDataSet) -> Stored:
        header = self.header_of(received, intake)
        self.index.engine.connect()  # where it cannot be opened nothing is begun
        if self._shared:
            return self._shared.store(received, intake, header)
        if not (self._log and intake.in_memory):
            if self._is_unchanged(header.uids, received, intake):
                return Stored(StoreOutcome.UNCHANGED, header.uids)
            intake.finish()
        with self.tree.locked(header.uids):
            return self._commit(intake, header, received)

    def _is_unchanged(self, uids: Uids, received: Received, intake: IncomingDataSet) -> bool:
        """Whether it is held as it came, and entered: nothing is to be done then."""
        is_entered = self.tree.holds(uids) and self._is_entered(uids, intake)
        return is_entered and bool(self._held(uids, received, intake))

    def _is_entered(self, uids: Uids, intake: IncomingDataSet) -> bool:
        """Whether there is a row with its digest, which is made last, when all else is durable."""
        return digest_in(self.index, uids) == intake.digest

    def header_of(self, received: Received, intake: IncomingDataSet) -> Header:
        """What the index needs of an instance that has arrived.

        Raises MismatchError where it is not the one that its command names, DataSetError where it
        cannot be read, or its file could not.
        """
        syntax = received.transfer_syntax_uid
        with intake.open() as source:
            start = source.tell()
            try:
                header = instance_header.header(source, syntax, received.charset)
                if tags := added_tags(self.tree.data):
                    source.seek(start)
                    added = header_values(source, syntax, received.charset, tags)
                    header = replace(header, added=added)
            except (DataSetError, MismatchError) as error:
                source.seek(start)
                if words := foreign_files.found_in(source, syntax):
                    raise DataSetError(words) from error
                raise
        check_command(received, header)
        intake.check_read_back()
        return header

    def locate(self, query: Query) -> Selected:
        """The instances that the unique keys of a retrieve name; to be closed."""
        self.require_whole()
        with self.index.engine.reading():
            return Selected(self.index, search.named(self.index, query))

    def locate_below(self, *uids: str) -> Selected:
        """The instances of a study, a series in it or an instance in that; to be closed."""
        self.require_whole()
        with self.index.engine.reading():
            return Selected(self.index, pages.below(uids))

    def _commit(self, intake: IncomingDataSet, header: Header, received: Received) -> Stored:
        """Put the staged file into the tree and its row into the index, or neither."""
        outcome = self._conflict(header.uids, received, intake)
        if outcome is StoreOutcome.UNCHANGED and self._is_entered(header.uids, intake):
            return Stored(outcome, header.uids)
        if outcome is StoreOutcome.KEPT:
            with self.index.engine.reading():
                return Stored(outcome, header.uids, tuple(about(self.index, header.uids)))
        is_new = outcome is StoreOutcome.STORED
        if is_new and (logged := self._logged(intake, header, received)):
            return logged
        if outcome is not StoreOutcome.UNCHANGED:
            intake.finish()
        if outcome is StoreOutcome.REPLACED and self._copies:
            self._copies.make_room(header.uids, self._is_not_pinned)
        at = self.journal.now()
        facts = facts_of(received, intake, at)
        # First: who comes after a kill or a power cut then knows where to look.
        try:
            self.withdrawals.flush()
            self.journal.append(RECEIPTS, **receipt(header, facts, at))
            return self._place(outcome, intake, header, facts)
        except ArchiveError:
            # Else a rebuild would hold the file that stays to the digest of this one.
            self.withdrawals.defer(header.uids, facts.digest)
            raise

    def _logged(self, intake: IncomingDataSet, header: Header, received: Received) -> Stored | None:
        """Put a new instance into the log, and then in its place; None: that takes none now."""
        if not (self._log and (held := intake.in_memory)):
            return None
        intake.check_room()
        self.withdrawals.flush()
        uids, arrived, at = header.uids, time.time_ns(), self.journal.now()
        facts = facts_of(received, intake, at)
        entry = Entry(uids, arrived, line_of(receipt(header, facts, at)), *held)
        if not (place := self._log.enter(entry)):
            return None
        with place:
            try:
                place.line = self.journal.write_line(RECEIPTS, entry.receipt)
                self.tree.place(intake.write_out(arrived), uids, sync=False)
                intake.is_placed = True
                facts = replace(facts, arrived=intake.arrived)
                return self._record(StoreOutcome.STORED, header, facts)
            except ArchiveError:
                try:
                    self.tree.withdraw(uids, None)
                finally:
                    self.withdrawals.defer(uids, intake.digest)
                raise

    def _place(
        self, outcome: StoreOutcome, intake: IncomingDataSet, header: Header, facts: FileFacts
    ) -> Stored:
        """The file and its row, or what was there before."""
        # Outside of `try`: until the old file is kept nothing is to be undone.
        uids = header.uids
        kept = self.tree.superseded.keep(uids) if outcome is StoreOutcome.REPLACED else None
        try:
            if outcome is StoreOutcome.UNCHANGED:
                self.tree.sync_instances([uids])  # who placed it may have ended before that
                facts = replace(facts, arrived=self.tree.arrived(uids))
            else:
                self.tree.place(intake.finish(), uids)
            return self._record(outcome, header, facts)
        except ArchiveError:
            if outcome is not StoreOutcome.UNCHANGED:
                self.tree.withdraw(uids, kept)
            raise

    def _record(self, outcome: StoreOutcome, header: Header, facts: FileFacts) -> Stored:
        """Have the row of an instance, and look in the same transaction what contradicts it."""
        found: list[str] = []

        def look() -> None:
            found[:] = about(self.index, header.uids)

        record(self.index, in_force(self.tree.data).corrected(header), facts, look)
        return Stored(outcome, header.uids, tuple(found))

    def _conflict(self, uids: Uids, received: Received, intake: IncomingDataSet) -> StoreOutcome:
        """What `on_conflict` makes of the file of the instance, if there is one."""
        return outcome_of(self._held(uids, received, intake), self._on_conflict)

    def _is_not_pinned(self, study: str) -> bool:
        return study not in pinned(self.journal)

    def _held(self, uids: Uids, received: Received, intake: IncomingDataSet) -> bool | None:
        """Whether the same data set is held in the same transfer syntax; None: no file."""
        if not self.tree.holds(uids):
            return None
        try:
            with self.tree.open(uids) as file:
                meta = part10.read(file)
                same_syntax = meta.transfer_syntax_uid == received.transfer_syntax_uid
                return same_syntax and intake.is_rest_of(file, meta.data_set_offset)
        except FileNotFoundError:
            return None
        except DataSetError:  # damaged: certainly other content
            return False
        except OSError as error:
            raise ResourceError(f"Cannot read {uids[2]}.dcm: {error.strerror}") from error


def _shared_stores(data: Path, bounds: Bounds) -> "SharedStores":
    """Loaded here: what it takes is not there, or not needed, where an archive is not shared."""
    from storage.archive.receiving.shared_stores import SharedStores

    return SharedStores(data, bounds)
