"""A compaction: segment by segment, the oldest first, each whole or not at all.

It holds nothing that a store waits for. A kill leaves a file `.new`, which the next one removes.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from storage.archive import Archive
from storage.archive.receiving.log import has_left
from storage.diagnostics import ResourceError
from storage.files import claim, refusal, sqlite_words
from storage.index import Index, applied, counts, marked_beside, read_settled
from storage.journal import (
    ACCEPTED,
    COMMITMENTS,
    PINS,
    RECEIPTS,
    FolderJournal,
    Journal,
    commitments,
    entered,
    forget_places,
    forget_studies,
    pins,
)
from storage.journal.segments import Notes, Segments, rewriting
from storage.maintenance.compaction.receipts import UnneededReceipts
from storage.maintenance.compaction.segment import SegmentPlan, leave, planned
from storage.maintenance.compaction.unneeded import Ended, Forgotten, Unneeded
from storage.outbox import position_beside

# Of the journal, looked at together: some thousand receipts.
_PIECE_BYTES = 1 << 20
HELD_BY_OTHERS = "a backup or a check is under way: the rest stays until another time"
# Who brings it in asks the journal what became of each instance since.
IN_DATABASE = "the journal lies in a database, where no line is dropped"
LEFT_IN_LOG = "the log has what is not brought in yet: the rest stays until the node has done that"


class CompactionProgress(Protocol):
    """Is told how far it has come."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """What comes now, and how much of it there is in `unit`."""

    def advance(self, count: int) -> None:
        """How much more of it is done."""


class _Silent:
    def begin(self, what: str, total: int, unit: str) -> None: ...

    def advance(self, count: int) -> None: ...


@dataclass
class Compaction:
    """What was done, or in a dry run would be; `bytes` are those given back to the disk."""

    segments: int = 0
    lines: int = 0
    bytes: int = 0
    stopped: str = ""  # why it has not gone through all


class _Kind(NamedTuple):
    """Lines of one name: what of them nothing needs, and who holds the catalogue of them still.

    `forget`: what that has of lines which are gone now, between two positions.
    """

    unneeded: Callable[[Notes, Archive], Unneeded]
    entered: Callable[[Journal], AbstractContextManager[object]]
    forget: Callable[[Journal, int, int], None] = lambda *_: None


# Corrections are not among them: `history` tells of those that were undone, too.
_KINDS = {
    RECEIPTS: _Kind(UnneededReceipts, entered, forget_places),
    COMMITMENTS: _Kind(lambda notes, _: Ended(notes, commitments.subject_of), commitments.entered),
    PINS: _Kind(lambda notes, _: Ended(notes, pins.subject_of), pins.entered),
    ACCEPTED: _Kind(lambda *_: Forgotten(), lambda _: nullcontext()),
}


def is_worth_a_look(data: Path) -> bool:
    """Whether there are segments that may be compacted."""
    return any(_older(Segments(data / "journal", name)) for name in _KINDS)


def compact(
    archive: Archive, progress: CompactionProgress | None = None, dry_run: bool = False
) -> Compaction:
    """Write closed segments anew without what nothing needs. Raises ResourceError.

    What was done until then stays done: each segment is whole, and they go one after the other.
    """
    archive.require_whole()
    done, journal = Compaction(), archive.journal
    if not isinstance(journal, FolderJournal):
        done.stopped = IN_DATABASE
        return done
    folder = journal.folder
    try:
        with _alone(archive.tree.data):
            if has_left(archive.tree.data):
                done.stopped = LEFT_IN_LOG
            for name, kind in _KINDS.items():
                for left in (folder / name).glob("*.new"):
                    left.unlink(missing_ok=True)
                if not done.stopped:
                    _OfName(
                        archive, journal, name, kind, progress or _Silent(), dry_run, done
                    ).run()
            if done.segments and not dry_run:
                forget_studies(archive.journal, partial(counts.holds_study, archive.index))
    except sqlite3.Error as error:
        raise ResourceError(f"The journal is not compacted: {sqlite_words(error)}") from error
    except OSError as error:
        words = refusal(error, Path(error.filename or folder))
        raise ResourceError(f"The journal is not compacted: {words}") from error
    return done


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One compaction at a time. Raises OSError, ResourceError."""
    descriptor = os.open(data / "compact.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if not claim(descriptor):
            raise ResourceError("another compaction is under way")
        yield
    finally:
        os.close(descriptor)


def _older(ours: Segments) -> list[tuple[int, Path]]:
    """The closed segments but the last one, which may have another name still."""
    return ours.closed()[:-1]


def _bound(archive: Archive, name: str, dry_run: bool) -> int:
    """Before what position nobody goes on reading who wrote down how far he was.

    Raises ResourceError.
    """
    end, data = archive.journal.size(name), archive.tree.data
    if name != RECEIPTS:
        return end  # the catalogue alone follows these, and was brought up
    settled, making, queue = read_settled(data), marked_beside(data, name), position_beside(data)
    held = applied(data, name)
    if not dry_run:
        _bring_to_disk(archive.index)
    return min(
        held, settled.position if settled else 0,
        end if making is None else making, end if queue is None else queue,
    )  # fmt: skip


def _bring_to_disk(index: Index) -> None:
    """See that no power cut takes back what an index is marked with. Raises ResourceError."""
    with index.engine.connected():
        index.engine.sync_commits()
        with index.engine.writing():  # one commit syncs those before it
            index.engine.set_version(index.engine.version())


class _OfName:
    """Of the lines of one name."""

    def __init__(
        self, archive: Archive, journal: FolderJournal, name: str, kind: _Kind,
        progress: CompactionProgress, dry_run: bool, done: Compaction,
    ) -> None:  # fmt: skip
        self._archive, self._journal = archive, journal
        self._name, self._kind = name, kind
        self._progress, self._dry_run, self._done = progress, dry_run, done
        self._segments = Segments(self._journal.folder, name)

    def run(self) -> None:
        """Compact those that may be."""
        eligible = self._eligible()
        if not eligible:
            return
        with closing(Notes()) as notes:
            unneeded = self._kind.unneeded(notes, self._archive)
            if not self._see(unneeded):
                return
            self._progress.begin(f"compacting journal/{self._name}", len(eligible), "segments")
            for begin, path in eligible:
                if not self._compact(begin, path, unneeded):
                    self._done.stopped = HELD_BY_OTHERS
                    return
                self._progress.advance(1)

    def _eligible(self) -> list[tuple[int, Path]]:
        """The segments that lie before all marks, and what these are held to."""
        older = _older(self._segments)
        if not older:
            return []
        with self._kind.entered(self._journal):
            pass  # the catalogue has no more to read of them
        bound = _bound(self._archive, self._name, self._dry_run)
        return [one for one in self._segments.closed_before(bound) if one in older]

    def _see(self, unneeded: Unneeded) -> bool:
        """Have all lines be seen; whether any may go."""
        end, found = self._journal.size(self._name), False
        self._progress.begin(f"reading journal/{self._name}", end, "bytes")
        for start, stop in self._journal.pieces(self._name, 0, end, _PIECE_BYTES):
            if lines := list(self._journal.lines(self._name, start, stop)):
                found |= unneeded.see(lines)
            self._progress.advance(stop - start)
        return found

    def _compact(self, begin: int, path: Path, unneeded: Unneeded) -> bool:
        """Write a segment anew where that is worth while; False where others keep it."""
        size = path.stat().st_size
        lines = self._segments.lines(begin, begin + size)
        plan = planned(path, begin, lines, unneeded)
        if not plan.is_worth:
            leave(plan.lines, unneeded)
            return True
        if not self._dry_run and not self._write(path, begin + size, plan, unneeded):
            return False
        self._done.segments += 1
        self._done.lines += len(plan.lines)
        self._done.bytes += plan.bytes
        if not self._dry_run:
            self._kind.forget(self._journal, begin, begin + size)
        return True

    def _write(self, path: Path, end: int, plan: SegmentPlan, unneeded: Unneeded) -> bool:
        unneeded.forget(plan.lines)  # first: afterwards nobody knows what was forgotten
        self._journal.note_compacted(self._name, end)
        fresh = path.with_suffix(".new")
        try:
            rewriting.rewrite(path, plan.replacements, self._journal.syncs)
            # Who reads for the catalogue has read all of it before, or reads none of it before.
            with self._kind.entered(self._journal):
                return rewriting.put_in_place(fresh, path, self._journal.syncs)
        finally:
            fresh.unlink(missing_ok=True)
