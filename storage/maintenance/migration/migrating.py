"""An archive copied to another place while it is served, and what came meanwhile until nothing is.

What differs is copied, whatever the reason: so a run that was cut off is gone on with by the next,
which copies what is new. Nobody serves the target before a run has found nothing left, held what is
there against the source, and seen that nobody serves that any more. The source is only read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from storage.archive import Archive, counts
from storage.diagnostics import DataSetError, MismatchError, ResourceError
from storage.dicom.values import Uids
from storage.files import FileFacts, Kept
from storage.index import facts_in, facts_of_study, studies, without_row
from storage.journal import RECEIPTS, in_journal, receipts_by_digest
from storage.maintenance.migration.carried_entries import bring_entries, entries_that_differ
from storage.maintenance.migration.carried_lines import CarriedLines, ends_of, sizes
from storage.maintenance.migration.carried_queue import bring_queue
from storage.maintenance.migration.staged_copies import StagedCopy, copy_of_held, copy_of_kept
from storage.maintenance.migration.targets import Change, Target
from storage.maintenance.migration.verifying import differences

_READERS = 4
# Entered in one transaction.
_BATCH = 50
# So many rounds at most until what is left is copied while stores wait.
_ROUNDS, _FEW = 10, 100
# Of one kind of fault no more are listed.
_MOST_FAULTS = 1000


class MigrationProgress(Protocol):
    """Is told what is done."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """What comes now, and how much of it there is in `unit`; 0: nobody knows."""

    def advance(self, count: int) -> None:
        """How much more of it is done."""


@dataclass
class Brought:
    """How much: instances, files that were displaced, lines of the journal and of entries of the
    worklist, and items of the forwarding queue, which goes along once nobody serves.
    """

    copied: int = 0
    removed: int = 0
    unchanged: int = 0
    superseded: int = 0
    lines: int = 0
    entries: int = 0
    queued: int = 0
    bytes: int = 0


@dataclass
class Migrated(Brought):
    """What was done.

    `faults`: what could not be brought, or differs. `to_do`: what is to be done until the other
    archive may be served; empty where it may. `served`: whether the source is.
    """

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)

    served: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the target is the archive now."""
        return not self.faults and not self.to_do


class _Displaced(NamedTuple):
    uids: Uids
    since: int  # in milliseconds since 1970


def migrate(
    source: Archive, target: Target, charset: str, progress: MigrationProgress,
    servers: Callable[[], list[str]], worklist: Path | None = None,
) -> Migrated:  # fmt: skip
    """Bring an archive, or what of it is new, to a target.

    `charset` is for what names none and has no receipt; `servers` tells who serves the source;
    `worklist` is the folder of entries that it has.
    Raises FolderError where the target may not be filled from it, ResourceError where it cannot go
    on: what is there by then is taken up by the next run.
    """
    with ThreadPoolExecutor(_READERS, "copies") as readers:
        return _Migration(source, target, charset, progress, readers, worklist).run(servers)


class _Migration:
    """One run."""

    def __init__(
        self, source: Archive, target: Target, charset: str, progress: MigrationProgress,
        readers: ThreadPoolExecutor, worklist: Path | None,
    ) -> None:  # fmt: skip
        self._source, self._target, self._to = source, target, target.archive
        self._worklist = worklist
        self._charset, self._progress, self._readers = charset, progress, readers
        self._lines = CarriedLines(source, target.archive, target.add_lines)
        self._done = Migrated()
        self._doubtful: dict[Uids, str] = {}  # not copied, and why

    def run(self, servers: Callable[[], list[str]]) -> Migrated:
        """Do it."""
        ends = ends_of(self._source)
        self._lines.begin(ends)
        self._lines.mark(is_complete=False)
        self._progress.begin("copying the journal", 0, "lines")
        self._lines.bring(ends)
        self._bring_all()
        self._bring_displaced()
        ends = self._catch_up(ends)
        served = servers()  # before the last look: who has ended by then stores nothing behind it
        with self._source.tree.all_locked():
            changed = self._changed(ends, last := sizes(self._source))
            self._lines.bring(last)
            self._follow([*changed, *self._doubtful])
        self._progress.begin("holding both against each other", 0, "instances")
        self._target.finish()
        self._look_for_strays()
        entries = self._source, self._worklist, self._charset
        self._done.entries, self._done.notes = bring_entries(*entries, self._target)
        if not served:  # else what waits there is another thing by now
            self._done.queued = bring_queue(self._source, self._to, self._lines)
        self._verify(last, is_served=bool(served))
        if not served and entries_that_differ(*entries, self._to.journal)[0]:
            self._fault("worklist", "entries differ in the other archive")
        self._tell(served)
        if sizes(self._source) != last:
            self._done.to_do.append("more came meanwhile: run this again")
        self._lines.mark(self._done.is_complete)
        return self._done

    def _bring_all(self) -> None:
        """Have the target hold what the source holds, study by study."""
        self._progress.begin("copying instances", counts(self._source)["image"], "files")
        for study in sorted({*studies(self._source.index), *studies(self._to.index)}):
            held = facts_of_study(self._source.index, study)
            there = facts_of_study(self._to.index, study)
            same = sum(there.get(uids) == facts for uids, facts in held.items())
            self._done.unchanged += same
            self._progress.advance(same)
            self._bring(
                (uids, held.get(uids))
                for uids in sorted({*held, *there}) if held.get(uids) != there.get(uids)
            )  # fmt: skip

    def _bring(self, wanted: Iterable[tuple[Uids, FileFacts | None]]) -> None:
        """Have instances be held as these say."""
        left = iter(wanted)
        while some := list(islice(left, _BATCH)):
            changes = [one for one in self._readers.map(self._change, some) if one]
            try:
                self._target.hold(changes)
            finally:
                for one in changes:
                    if one.copy:
                        self._to.tree.discard(one.copy.path)
            self._count(changes)
            self._progress.advance(len(some))

    def _change(self, wanted: tuple[Uids, FileFacts | None]) -> Change | None:
        """A copy, where there is to be one; None where that is not to be had."""
        uids, facts = wanted
        copied: StagedCopy | None = None
        if facts:
            try:
                copied = copy_of_held(self._source, self._to, uids, facts, self._charset)
            except FileNotFoundError:
                self._doubtful[uids] = "in the index, and has no file"
                return None
            except (DataSetError, MismatchError) as error:
                self._doubtful[uids] = str(error)
                return None
            except ResourceError:
                raise
            except OSError as error:
                self._doubtful[uids] = self._source.tree.refusal(error, uids)
                return None
        self._doubtful.pop(uids, None)
        return Change(uids, copied)

    def _count(self, changes: Sequence[Change]) -> None:
        for one in changes:
            self._done.removed += one.copy is None
            self._done.copied += one.copy is not None
            self._done.bytes += one.copy.facts.file_bytes if one.copy else 0

    def _bring_displaced(self, studies: Iterable[str] | None = None) -> None:
        """Have the target keep what the source keeps of what was displaced, or of some studies."""
        above: list[tuple[str, ...]] = [()] if studies is None else [(one,) for one in studies]
        for one in above:
            held, there = displaced(self._source, *one), displaced(self._to, *one)
            differing = [
                key for key in {*held, *there}
                if len(held.get(key, ())) != len(there.get(key, ()))
            ]  # fmt: skip
            for key in differing:
                for kept in there.get(key, ()):
                    self._target.drop(kept)
            self._keep([kept for key in differing for kept in held.get(key, ())])

    def _keep(self, wanted: list[Kept]) -> None:
        left = iter(sorted(wanted, key=lambda one: one.since))
        while some := list(islice(left, _BATCH)):
            receipts = receipts_by_digest(self._source.journal, {one.uids for one in some})
            for kept in some:
                try:
                    known = receipts.get(kept.uids, {})
                    copied = copy_of_kept(self._source, self._to, kept, known)
                except FileNotFoundError:  # it has come back, or was purged
                    continue
                except ResourceError:
                    raise
                except (DataSetError, OSError) as error:
                    self._fault(str(kept.path), getattr(error, "strerror", "") or error)
                    continue
                try:
                    self._target.keep(copied, _since(kept))
                finally:
                    self._to.tree.discard(copied.path)
                self._done.superseded += 1

    def _catch_up(self, ends: dict[str, int]) -> dict[str, int]:
        """Follow what was done meanwhile until little is left; up to where."""
        for _ in range(_ROUNDS):
            last = ends_of(self._source)
            changed = self._changed(ends, last)
            ends = last
            self._lines.bring(ends)
            self._follow(changed)
            if len(changed) <= _FEW:
                break
        return ends

    def _changed(self, start: dict[str, int], end: dict[str, int]) -> list[Uids]:
        """The instances of which the source tells between two positions."""
        positions = start.get(RECEIPTS, 0), end.get(RECEIPTS, 0)
        return list({uids: None for uids, _ in in_journal(self._source.journal, *positions)})

    def _follow(self, changed: Iterable[Uids]) -> None:
        """Have some instances be there as they are by now."""
        wanted = list(dict.fromkeys(changed))
        differing = []
        for uids in wanted:
            facts = facts_in(self._source.index, uids)
            if facts_in(self._to.index, uids) != facts:
                differing.append((uids, facts))
            else:
                self._doubtful.pop(uids, None)
        self._bring(differing)
        self._bring_displaced(sorted({uids[0] for uids in wanted}))

    def _look_for_strays(self) -> None:
        """Tell of files of the source that no row knows; remove those that a kill left there."""
        for some in _batches(self._source.tree.instances()):
            for uids in without_row(self._source.index, some):
                if facts_in(self._to.index, uids) is None:
                    self._fault(self._source.tree.name(uids), "has no row: `minipacs check`")
        for some in _batches(self._to.tree.instances()):
            self._target.hold([Change(uids, None) for uids in without_row(self._to.index, some)])

    def _verify(self, ends: dict[str, int], is_served: bool) -> None:
        for uids, why in self._doubtful.items():
            self._fault(self._source.tree.name(uids), why)
        found: list[str] = []
        if not is_served or sizes(self._source) == ends:
            found = list(islice(differences(self._source, self._to), _MOST_FAULTS))
        if not is_served or sizes(self._source) == ends:
            self._done.faults += found  # else what came meanwhile differs: the last run is held

    def _tell(self, served: list[str]) -> None:
        self._done.lines = self._lines.brought
        self._done.notes += self._lines.damaged
        self._done.served = bool(served)
        if served:
            self._done.to_do.append(f"{', '.join(served)}: serves the archive; end it")

    def _fault(self, what: str, why: object) -> None:
        if len(self._done.faults) < _MOST_FAULTS:
            self._done.faults.append(f"{what}: {why}")


def displaced(archive: Archive, *above: str) -> dict[_Displaced, list[Kept]]:
    """What is kept, by instance and when it was displaced. Raises ResourceError."""
    found: dict[_Displaced, list[Kept]] = defaultdict(list)
    for kept in archive.tree.superseded.all(*above):
        found[_Displaced(kept.uids, _since(kept))].append(kept)
    return found


def _since(kept: Kept) -> int:
    return round(kept.since * 1000)


def _batches(instances: Iterator[Uids]) -> Iterator[list[Uids]]:
    return iter(lambda: list(islice(instances, 1000)), [])
