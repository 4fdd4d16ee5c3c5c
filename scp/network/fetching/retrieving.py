"""Studies brought over from a peer, one after the other or some at once, and what is missing."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime

from scp.network.association import NoAssociationError
from scp.network.dimse import Status
from scp.network.fetching.hours import Hours
from scp.network.fetching.remote import Find
from scp.network.fetching.studies import StudyPlan, Uids, list_instances
from scp.network.scu import Ending, Getting, Moving, PeerError
from storage import Archive
from storage.diagnostics import ArchiveError

# After one that brought something another attempt is made, for what is missing still.
_MOST_ATTEMPTS = 4
# How often who waits for an hour looks whether it should go on.
_LOOK_SECONDS = 1.0

# Makes what asks for instances; its argument is called with the bytes of each that comes.
MakeRetriever = Callable[[Callable[[int], None]], Getting | Moving]


@dataclass(frozen=True)
class Missing:
    """An instance that the peer has and that is not here, and why."""

    uids: Uids
    reason: str


@dataclass
class Fetched:
    """What became of a study: how many instances were here before, came, and are missing."""

    plan: StudyPlan
    held_before: int = 0
    bytes: int = 0
    missing: list[Missing] = field(default_factory=list)
    unasked: set[Uids] = field(default_factory=set)  # what came of other studies
    fault: str = ""  # of the study as a whole, where not all can be told by instance

    @property
    def arrived(self) -> int:
        """How many instances are here that were not."""
        return len(self.plan.held) - self.held_before

    @property
    def is_whole(self) -> bool:
        """Whether all of it is here."""
        return not self.missing and not self.fault


class Fetch:
    """Brings studies: lists what the peer has, asks for what is not held, and looks again."""

    def __init__(
        self,
        archive: Archive,
        find: Find,
        make_retriever: MakeRetriever,
        note: Callable[[int], None],
        at_once: int = 1,
        pause: float = 0.0,
        hours: Hours | None = None,
    ) -> None:
        self._archive, self._find, self._make = archive, find, make_retriever
        self._note, self._at_once, self._pause, self._hours = note, at_once, pause, hours
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Bring no more; what has come stays."""
        self._stopped.set()

    def run(self, plans: Iterable[StudyPlan], waiting: Callable[[str], None]) -> Iterator[Fetched]:
        """Bring studies; what became of each, as it ends. `waiting` is told why nothing goes on."""
        running: set[Future[Fetched]] = set()
        with ThreadPoolExecutor(self._at_once, "fetch") as pool:
            try:
                for number, plan in enumerate(plans):
                    self._await_hours(waiting)
                    if number and self._pause:
                        self._stopped.wait(self._pause)
                    if self._stopped.is_set():
                        break
                    listed = self.listed(plan)
                    if listed is not None:
                        yield listed
                        continue
                    while len(running) >= self._at_once:
                        running = yield from _ended(running)
                    running.add(pool.submit(self._bring, plan))
                while running:
                    running = yield from _ended(running)
            except KeyboardInterrupt:
                self.stop()
                while running:  # what came of them is told, too
                    running = yield from _ended(running)
                raise
            finally:
                self.stop()

    def listed(self, plan: StudyPlan) -> Fetched | None:
        """See what the peer has of a study; what became of it where there is nothing to bring."""
        try:
            list_instances(self._find, plan)
            plan.look(self._archive)
        except (PeerError, NoAssociationError, ArchiveError) as error:
            return Fetched(plan, fault=str(error))
        if not plan.missing and not plan.untold:
            return Fetched(plan, len(plan.held), fault=plan.unlisted)
        return None

    def _await_hours(self, waiting: Callable[[str], None]) -> None:
        hours, is_told = self._hours, False
        while hours and not self._stopped.is_set():
            left = hours.wait(datetime.now()).total_seconds()
            if not left:
                return
            if not is_told:
                waiting(f"waiting for {hours}")
            is_told = True
            self._stopped.wait(min(left, _LOOK_SECONDS))

    def _bring(self, plan: StudyPlan) -> Fetched:
        """Ask for what is missing of a study, again where something came."""
        fetched = Fetched(plan, len(plan.held))
        reasons: dict[str, str] = {}
        try:
            for _ in range(_MOST_ATTEMPTS):
                before = len(plan.held)
                fetched.fault = self._attempt(plan, fetched, reasons)
                plan.look(self._archive)
                is_done = not plan.missing and not fetched.fault
                if is_done or self._stopped.is_set() or len(plan.held) == before:
                    break
        except ArchiveError as error:
            fetched.fault = str(error)
        finally:
            self._archive.close_thread()
        otherwise = fetched.fault or "the peer did not send it"
        fetched.missing = [Missing(uids, reasons.get(uids[2], otherwise)) for uids in plan.missing]
        if not plan.untold and not plan.missing:
            fetched.fault = ""  # of an attempt that was made good
        faults = (fetched.fault, plan.unlisted, _nothing_of(plan), _strangers(fetched.unasked))
        fetched.fault = next(filter(None, faults), "")
        return fetched

    def _attempt(self, plan: StudyPlan, fetched: Fetched, reasons: dict[str, str]) -> str:
        """Ask once for what is missing; what went wrong."""

        def note(size: int) -> None:
            fetched.bytes += size
            self._note(size)

        retriever, fault = self._make(note), ""
        try:
            retriever.open(plan.sop_classes)
            for request in list(plan.requests()):
                ending = retriever.retrieve(request, self._stopped.is_set)
                fault = fault or _fault(ending)
                reasons |= dict.fromkeys(
                    ending.failed, f"the peer could not send it: {ending.words}"
                )
        except (NoAssociationError, PeerError) as error:
            fault = str(error)
        finally:
            retriever.close()
        reasons |= retriever.arrivals.refused
        fetched.unasked |= {uids for uids in retriever.arrivals.kept if uids[0] != plan.uid}
        return fault


def _nothing_of(plan: StudyPlan) -> str:
    """What is wrong where the peer told of no instances, and ended well without sending any."""
    here = {series for _, series, _ in plan.held}
    empty = next((series for series in plan.untold if series not in here), None)
    return f"the peer sent nothing of the series {empty}" if empty else ""


def _strangers(unasked: set[Uids]) -> str:
    """What is wrong where instances of studies came that were not asked for."""
    if not unasked:
        return ""
    study, _, instance = min(unasked)
    return (f"the peer sent what was not asked for, which is kept: instances={len(unasked)}, "
            f"such as {instance} of study {study}")  # fmt: skip


def _fault(ending: Ending) -> str:
    """What is wrong with a retrieve that has ended; nothing where all came."""
    if ending.status == Status.SUCCESS and not ending.failures:
        return ""
    return f"the peer ends the retrieve by {ending.words}"


def _ended(running: set[Future[Fetched]]) -> Generator[Fetched, None, set[Future[Fetched]]]:
    """What became of one that ends; returns those that go on."""
    done, left = wait(running, return_when=FIRST_COMPLETED)
    for one in done:
        yield one.result()
    return left
