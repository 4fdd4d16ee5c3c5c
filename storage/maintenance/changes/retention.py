"""What the rules of retention let go: the studies longest without an arrival go to superseded/."""

import logging
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from storage.archive import Archive
from storage.diagnostics import ResourceError, Sentence
from storage.dicom.values import Level, Uids
from storage.files import Kept
from storage.index import Location, counts
from storage.journal import RECEIPTS, Journal, Run, arrivals, pinned
from storage.maintenance.changes import deletion
from storage.maintenance.changes.kept_files import KeptFiles
from storage.maintenance.changes.selections import Selection, selected

logger = logging.getLogger(__name__)

_DAY_SECONDS = 86400.0
# A study that something arrived for so lately is being received, as far as can be told.
_ARRIVING_SECONDS = 600.0


@dataclass(frozen=True)
class Rules:
    """What may stay: None is no limit. `superseded_days` is for what lies in superseded/."""

    days: int | None = None
    bytes: int | None = None
    studies: int | None = None
    superseded_days: int | None = None


@dataclass(frozen=True)
class Due:
    """A study that is to go, and why; `arrived`: the last of it, in seconds since 1970."""

    study: str
    arrived: float
    instances: int
    bytes: int
    why: str = ""

    @property
    def fields(self) -> dict[str, object]:
        """The same for a machine, the time in UTC."""
        return {
            "study": self.study, "arrived": _told(self.arrived), "instances": self.instances,
            "bytes": self.bytes, "why": self.why,
        }  # fmt: skip

    def __str__(self) -> str:
        day = _told(self.arrived)
        return (
            f"study {self.study}: arrived={day}, instances={self.instances}, "
            f"bytes={self.bytes}: {self.why}"
        )


@dataclass(frozen=True)
class Plan:
    """What is to go, the oldest first, by what the journal said up to byte `end`."""

    studies: tuple[Due, ...]
    superseded: Sequence[Kept]
    end: int
    wrong: tuple[str, ...] = ()  # times that cannot be true
    staying: tuple[Due, ...] = ()  # what the rules would let go, and what keeps it


def plan(archive: Archive, rules: Rules, under_way: Container[str] = ()) -> Plan:
    """See what the rules let go; nothing is changed. Raises ResourceError.

    `under_way` are the studies of which something is still to be forwarded: they stay.
    """
    archive.require_whole()
    # First: what arrives later is then seen before its study goes.
    end = archive.journal.size(RECEIPTS)
    kept = pinned(archive.journal)
    purged: Sequence[Kept] = ()
    if rules.superseded_days is not None:
        age = rules.superseded_days * _DAY_SECONDS
        old = deletion.older(deletion.all_superseded(archive), age)
        purged = KeptFiles(one for one in old if one.uids[0] not in kept)
    studies: list[Due] = []
    staying: list[Due] = []
    wrong: list[str] = []
    if (rules.days, rules.bytes, rules.studies) != (None, None, None):
        times, wrong = _times(archive.journal)
        for due, held_by in _due(sorted(_held(archive, times), key=_age), kept, under_way, rules):
            if held_by:
                staying.append(replace(due, why=f"{due.why}, and stays: {held_by}"))
            else:
                studies.append(due)
    return Plan(tuple(studies), purged, end, tuple(wrong), tuple(staying))


def retain(archive: Archive, due: Due, start: int, charset: str) -> Iterator[int]:
    """Move a study to superseded/: yields 1 for each instance that went, -1 for one that is back.

    One that arrives meanwhile for the study saves it: what was moved comes back. So it does for
    a pin. `start`: what the journal's receipts say from that byte on arrived after the plan.
    Raises ArchiveError.
    """
    arrivals = _Arrivals(archive.journal, due.study, start)
    moved: set[Uids] = set()
    for one in selected(archive, Selection(Level.STUDY, due.study)):
        if not _delete(archive, one, due.study, arrivals):
            break
        moved.add(one.uids)
        yield 1
    if arrivals.any() or due.study in pinned(archive.journal):
        words = f"study={due.study} stays: it was pinned, or got an instance meanwhile"
        logger.info(Sentence(words, study=due.study))
        yield from _bring_back(archive, due.study, moved, charset)


def _delete(archive: Archive, one: Location, study: str, arrivals: "_Arrivals") -> bool:
    """Delete an instance, unless the study got another one, or this one anew, or a pin."""

    def may() -> bool:
        return not arrivals.any() and study not in pinned(archive.journal)

    return bool(list(deletion.delete(archive, [one], may)))


def _bring_back(archive: Archive, study: str, moved: set[Uids], charset: str) -> Iterator[int]:
    found = deletion.restorable(archive, Selection(Level.STUDY, study), charset)
    for one in found:
        if one.uids not in moved:
            continue
        try:
            list(deletion.restore(archive, [one], charset))
            yield -1
        except ResourceError:
            # It arrived anew in between: then that one is held, and the old one kept.
            if not archive.tree.holds(one.uids):
                raise


class _Arrivals:
    """What the journal says of new instances of one study, read on from where it ended."""

    def __init__(self, journal: Journal, study: str, start: int) -> None:
        self._journal, self._study, self._start = journal, study, start
        self._found = False

    def any(self) -> bool:
        """Whether there was one until now."""
        end = self._journal.size(RECEIPTS)
        if end != self._start and not self._found:
            lines = self._journal.read(RECEIPTS, self._start, end)
            self._found = any(_study(line) == self._study for line in lines)
            self._start = end
        return self._found


def _study(line: dict[str, object]) -> str:
    """Of what study a line says that an instance arrived; empty where it says nothing such."""
    uids = line.get("uids")
    if line.get("withdrawn") or not isinstance(uids, list) or not uids:
        return ""
    return str(uids[0])


def _age(one: Due) -> tuple[float, str]:
    return one.arrived, one.study


def _held(archive: Archive, times: dict[str, float]) -> Iterator[Due]:
    """Every study that is held, with the last arrival."""
    for study, instances, size, without_receipt in counts.by_study(archive.index):
        arrived = times.get(study, 0.0)
        if without_receipt or not arrived:
            arrived = max(arrived, _newest_file(archive, study))
        yield Due(study, arrived, instances, size)


def _times(journal: Journal) -> tuple[dict[str, float], list[str]]:
    """When the last instance of each study arrived, of those with a receipt; and what is wrong."""
    clock, last = arrivals(journal)
    clock.judge()
    found: dict[str, float] = {}
    wrong: list[str] = []
    for study, times in last.items():
        # Deleted too late is better than too early: the latest that may be true.
        found[study] = max(_latest(clock.runs[run], at) for run, at in times.items())
        for run, at in times.items():
            if not clock.runs[run].is_believed:
                wrong.append(
                    f"study {study}: a receipt says {_told(at)}, which the lines around it in the "
                    f"journal contradict: taken as {_told(found[study])}"
                )
    return found, wrong


def _latest(run: Run, at: float) -> float:
    return at if run.is_believed else run.bound


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _newest_file(archive: Archive, study: str) -> float:
    """When a file of a study was last written. Raises ResourceError."""
    found = archive.tree.last_arrival(study)
    # Of what cannot be told nothing goes.
    return time.time() if found is None else found / 1e9


def _due(
    held: list[Due], kept: Container[str], under_way: Container[str], rules: Rules
) -> Iterator[tuple[Due, str]]:
    """Those that the rules let go, the oldest first, and what keeps each all the same."""
    now = time.time()
    size, count = sum(one.bytes for one in held), len(held)
    for one in held:
        if rules.days is not None and now - one.arrived > rules.days * _DAY_SECONDS:
            why = f"days={rules.days}"
        elif rules.bytes is not None and size > rules.bytes:
            why = f"held bytes={size}, at most {rules.bytes}"
        elif rules.studies is not None and count > rules.studies:
            why = f"held studies={count}, at most {rules.studies}"
        else:
            break  # those that come now are younger still
        held_by = ""
        if one.study in kept:
            held_by = "it is pinned"
        elif now - one.arrived < _ARRIVING_SECONDS:
            held_by = f"something arrived for it within {_ARRIVING_SECONDS / 60:.0f} minutes"
        elif one.study in under_way:
            held_by = "it is still to be forwarded"
        if not held_by:
            size, count = size - one.bytes, count - 1
        yield Due(one.study, one.arrived, one.instances, one.bytes, why), held_by
