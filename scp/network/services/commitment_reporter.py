"""Reports of storage commitment: N-EVENT-REPORT to who asked, until it is taken (PS3.4 J.3.3)."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from pydicom.tag import Tag
from pynetdicom.association import Association
from pynetdicom.presentation import build_role

from scp.config import Peer, Settings
from scp.network.association import (
    COMMITMENTS,
    Counters,
    NoAssociationError,
    Request,
    access,
    associate,
    finish,
)
from scp.network.dimse import (
    CONTEXT,
    STORAGE_COMMITMENT,
    WELL_KNOWN_INSTANCE,
    Command,
    Field,
    Status,
    command_set,
    identifier,
    messages_of,
    next_message,
    writer,
)
from scp.network.tls import Contexts
from scp.network.upper_layer import upper_layer_of
from scp.runtime import one_line
from storage import Archive
from storage.archive import commitments
from storage.diagnostics import ArchiveError, Event
from storage.dicom.data_sets import Element, Elements
from storage.journal import Commitment, Reference
from storage.journal import commitments as commitment_lines
from storage.sharing.nodes import Duty

logger = logging.getLogger(__name__)

_ALL_COMMITTED, _FAILURES_EXIST = 1, 2  # Event Type ID, PS3.4 table J.3-2

# How long the requestor's own association is waited for: it may be about to end it.
SAME_ASSOCIATION_SECONDS = 5.0
_LOOK_SECONDS = 0.2
# How long one request is looked into before others that wait have their turn.
TURN_SECONDS = 1.0
# Between attempts on associations of the node's own; the last of these again and again.
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0)


class Inspection:
    """What is found of the instances that a request names, as far as they were looked at."""

    def __init__(self, archive: Archive, commitment: Commitment) -> None:
        self.commitment = commitment
        self.reasons: dict[Reference, int | None] = {}
        self._archive = archive
        # A file is read once, however often it is named.
        self._left = deque(dict.fromkeys(commitment.references))

    def go_on(self, is_enough: Callable[[], bool]) -> bool:
        """Look at one after the other until all were, or it is enough; whether all were.

        Raises ResourceError.
        """
        while self._left:
            reference = self._left[0]
            self.reasons[reference] = commitments.failure_of(
                self._archive, self.commitment, reference
            )
            self._left.popleft()
            if self._left and is_enough():
                return False
        commitments.make_lasting(self._archive)
        return True


class Reporter:
    """Looks into requests and tells who asked, in a thread of its own.

    One that names much is looked into for a while, then the others have their turn.
    """

    def __init__(
        self, settings: Settings, archive: Archive, tls: Contexts, counters: Counters, duty: Duty
    ) -> None:
        self._duty = duty
        self.settings = settings
        self.tls = tls
        self._archive = archive
        self._counters = counters
        self._due: queue.PriorityQueue[tuple[float, int, int, Inspection]] = queue.PriorityQueue()
        self._numbers = iter(range(1 << 62))
        self._taken_up: set[Commitment] = set()
        threading.Thread(target=self._run, name="commitments", daemon=True).start()

    @property
    def worker(self) -> int:
        """By which number it is known again what was asked of this worker."""
        return self._duty.worker

    def resume(self) -> None:
        """Take up what is unfinished and for us to report on: as when a node ended.

        What was taken up before is left. Raises ResourceError.
        """
        found = commitment_lines.unfinished(self._archive.journal, self._duty.has)
        fresh = [one for one in found if one not in self._taken_up]
        self._counters.put(COMMITMENTS, len(found))
        for commitment in fresh:
            logger.info(Event("commitment resumed", transaction=commitment.transaction_uid))
            self._taken_up.add(commitment)
            self._put(Inspection(self._archive, commitment), 0.0, 0)

    def report(self, commitment: Commitment, request: Request) -> None:
        """Tell the requestor on its own association, where it keeps that open; else later."""
        self._counters.add([(COMMITMENTS, 1)])
        self._taken_up.add(commitment)
        inspection = Inspection(self._archive, commitment)
        try:
            # Where it does not wait on its association, neither is there any hurry.
            told = inspection.go_on(lambda: _is_over(request)) and _tell_requestor(
                request, *self._result(inspection)
            )
        except ArchiveError as error:
            logger.error(Event("commitment", error, transaction=commitment.transaction_uid))
            told = False
        if not told:
            self._put(inspection, 0.0, 0)
            return
        self._end(commitment, "reported on the same association")

    def _put(self, inspection: Inspection, delay: float, attempt: int) -> None:
        self._due.put((time.monotonic() + delay, next(self._numbers), attempt, inspection))

    def _run(self) -> None:
        while True:
            due, _, attempt, inspection = self._due.get()
            wait = due - time.monotonic()
            if wait > 0:
                self._due.put((due, next(self._numbers), attempt, inspection))
                time.sleep(min(wait, _LOOK_SECONDS))
                continue
            try:
                self._attempt(inspection, attempt)
            except Exception as error:
                transaction = inspection.commitment.transaction_uid
                logger.error(Event("commitment", one_line(error), transaction=transaction))
                # Much may have happened to the files by then.
                fresh = Inspection(self._archive, inspection.commitment)
                self._put(fresh, _delay(attempt), attempt + 1)

    def _attempt(self, inspection: Inspection, attempt: int) -> None:
        commitment = inspection.commitment
        if self._duty.is_shared and not self._is_ours(commitment):
            return
        peer = access.destination(self.settings, commitment.peer)
        if peer is None:
            self._end(commitment, "nobody to tell: no host and port under [peers]")
            return
        until = time.monotonic() + TURN_SECONDS
        if not inspection.go_on(lambda: time.monotonic() >= until):
            self._put(inspection, 0.0, attempt)
            return
        problem = self._tell(peer, commitment, *self._result(inspection))
        if problem is None:
            self._end(commitment, "reported on an association of its own")
            return
        delay = _delay(attempt)
        logger.warning(
            Event(
                "commitment not reported",
                problem,
                f"again in seconds={delay:.0f}",
                peer=commitment.peer,
                transaction=commitment.transaction_uid,
            )
        )
        # Much may have happened to the files by then.
        self._put(Inspection(self._archive, commitment), delay, attempt + 1)

    def _is_ours(self, commitment: Commitment) -> bool:
        """Whether it is still for us to report on; else it is looked at again, unless it has ended.

        Raises ResourceError.
        """
        if commitment_lines.has_ended(self._archive.journal, commitment):
            self._forget(commitment)
            return False
        if self._duty.may_report(commitment.worker):
            return True
        self._put(Inspection(self._archive, commitment), RETRY_SECONDS[0], 0)
        return False

    def _forget(self, commitment: Commitment) -> None:
        self._counters.add([(COMMITMENTS, -1)])
        self._taken_up.discard(commitment)

    def _end(self, commitment: Commitment, end: str) -> None:
        self._forget(commitment)
        try:
            commitment_lines.reported(self._archive.journal, commitment, end)
        except ArchiveError as error:
            logger.error(Event("commitment", error, transaction=commitment.transaction_uid))
        logger.info(
            Event(
                "commitment ended",
                end,
                peer=commitment.peer,
                transaction=commitment.transaction_uid,
            )
        )

    def _result(self, inspection: Inspection) -> tuple[int, Elements]:
        """The Event Type ID and the Event Information (PS3.4 table J.3-2)."""
        held, failed = [], []
        commitment = inspection.commitment
        for reference in commitment.references:
            item = identifier.from_texts(
                {
                    Tag("ReferencedSOPClassUID"): reference[0],
                    Tag("ReferencedSOPInstanceUID"): reference[1],
                }
            )
            reason = inspection.reasons[reference]
            if reason is None:
                held.append(item)
            else:
                failed.append({**item, Tag("FailureReason"): Element("US", str(int(reason)))})
        texts = {
            Tag("TransactionUID"): commitment.transaction_uid,
            Tag("RetrieveAETitle"): self.settings.node.ae_title,
        }
        information = identifier.from_texts(texts)
        if held:
            information[Tag("ReferencedSOPSequence")] = Element("SQ", items=tuple(held))
        if failed:
            information[Tag("FailedSOPSequence")] = Element("SQ", items=tuple(failed))
        return _FAILURES_EXIST if failed else _ALL_COMMITTED, information

    def _tell(
        self, peer: Peer, commitment: Commitment, event_type: int, information: Elements
    ) -> str | None:
        """Report on an association of the node's own; says what went wrong, if anything."""
        # The node is the SCP here, though it calls (PS3.4 J.3.3, PS3.7 D.3.3.4).
        try:
            association = associate(
                self.settings,
                self.tls,
                commitment.peer,
                peer,
                [CONTEXT],
                [build_role(STORAGE_COMMITMENT, scp_role=True)],
            )
        except NoAssociationError as error:
            return f"{peer.host}:{peer.port} {error}"
        context = association.accepted_contexts[0]
        _send(association, context.context_id or 0, str(context.transfer_syntax[0]),
              event_type, information)  # fmt: skip
        answer = next_message(association, association.dimse_timeout or 0)
        association.release()
        finish(association)
        status = answer.command.status if answer else None
        return None if status == Status.SUCCESS else f"answered {status}"


def _delay(attempt: int) -> float:
    return RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]


def _is_over(request: Request) -> bool:
    """Whether the association of a request has ended, or its peer wants it to."""
    reactor = upper_layer_of(request.association)
    reactor.look()
    return reactor.is_over()


def _tell_requestor(request: Request, event_type: int, information: Elements) -> bool:
    """Report on the association of the request; False where its peer wants no more of it."""
    if _is_over(request):
        return False
    _send(request.association, request.context.context_id or 0, request.transfer_syntax,
          event_type, information)  # fmt: skip
    answer = next_message(request.association, SAME_ASSOCIATION_SECONDS)
    if answer is None:
        return False
    if answer.command.field is not Field.N_EVENT_REPORT_RSP:
        # A request that will not wait: it is served first, and the report is made later.
        messages_of(request.association).messages.appendleft(answer)
        return False
    return answer.command.status == Status.SUCCESS


def _send(
    association: Association, context_id: int, syntax: str, event_type: int, information: Elements
) -> None:
    report = Command(
        Field.N_EVENT_REPORT_RQ,
        message_id=1,
        sop_class=STORAGE_COMMITMENT,
        sop_instance=WELL_KNOWN_INSTANCE,
        event_type=event_type,
        has_data_set=True,
    )
    data = identifier.encode(information, syntax)
    writer.send(association, context_id, command_set.encode(report), data)
