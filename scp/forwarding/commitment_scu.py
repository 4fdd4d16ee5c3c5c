"""Destinations asked to commit to what they took (PS3.4 J.3), and what they say at once."""

import logging
import time
from dataclasses import dataclass

from pydicom.uid import generate_uid
from pynetdicom.association import Association

from scp.config import Peer
from scp.forwarding.shared import ForwardingContext
from scp.network.association import NoAssociationError, Obstacle, associate, finish
from scp.network.dimse import (
    CONTEXT,
    REQUEST_STORAGE_COMMITMENT,
    STORAGE_COMMITMENT,
    WELL_KNOWN_INSTANCE,
    Command,
    Field,
    Message,
    Status,
    command_set,
    decode_event,
    encode_action,
    next_message,
    writer,
)
from scp.network.upper_layer import upper_layer_of
from storage.diagnostics import DataSetError, Event
from storage.outbox import Asked, commitment_requests

logger = logging.getLogger(__name__)

# Instances of one request.
_MOST = 500
# How long a report is waited for before the association is released; it may come on another.
REPORT_SECONDS = 3.0
# How often it is looked meanwhile whether all is to stop.
_STEP_SECONDS = 0.25


class NotAskedError(Exception):
    """The destination could not be asked; says why."""


@dataclass(frozen=True)
class Answer:
    """What came of asking: whether a destination commits to anything, and reported at once."""

    commits: bool
    reported: bool = False


def ask(post: ForwardingContext, title: str, peer: Peer, longest: float, patience: float) -> Answer:
    """Ask a destination for all that it took, or part of it that takes about `longest` seconds.

    What it reports at once is waited for, so many seconds of `patience`.
    Raises NotAskedError, and ResourceError where the queue is broken.
    """
    try:
        association = associate(post.settings, post.tls, title, peer, [CONTEXT])
    except NoAssociationError as error:
        if error.obstacle is Obstacle.NOTHING_ACCEPTED:
            return Answer(commits=False)
        raise NotAskedError(str(error)) from error
    asking = _Asking(post, title, association)
    try:
        end = time.monotonic() + longest
        while asked := commitment_requests.ask(
            post.outbox, title, generate_uid(prefix=None), _MOST
        ):
            asking.ask(asked)
            if time.monotonic() > end:
                break
        asking.wait(patience)
    finally:
        association.release()
        finish(association)
    return Answer(commits=True, reported=asking.reported)


class _Asking:
    """An association on which a destination is asked."""

    def __init__(self, post: ForwardingContext, title: str, association: Association) -> None:
        self._post = post
        self._title = title
        self._association = association
        self._reactor = upper_layer_of(association)
        context = association.accepted_contexts[0]
        self._context_id = context.context_id or 0
        self._syntax = str(context.transfer_syntax[0])
        self._number = 0
        self._open: set[str] = set()  # what was asked for here, and not reported on
        self.reported = False

    def ask(self, asked: Asked) -> None:
        """Make a request. Raises NotAskedError where it is not taken."""
        self._number += 1
        action = Command(
            Field.N_ACTION_RQ,
            message_id=self._number,
            sop_class=STORAGE_COMMITMENT,
            sop_instance=WELL_KNOWN_INSTANCE,
            action_type=REQUEST_STORAGE_COMMITMENT,
            has_data_set=True,
        )
        self._open.add(asked.uid)
        data = encode_action(asked.uid, asked.references, self._syntax)
        writer.send(self._association, self._context_id, command_set.encode(action), data)
        status = self._status()
        if status != Status.SUCCESS:
            if status is not None:  # else it may be under way, and reported on
                commitment_requests.take_back(self._post.outbox, asked.uid)
            words = "nothing" if status is None else f"status {status:04X}"
            raise NotAskedError(f"answers {words} to a request of storage commitment")
        logger.info(
            Event(
                "commitment asked",
                destination=self._title,
                transaction=asked.uid,
                instances=len(asked.references),
            )
        )

    def wait(self, seconds: float) -> None:
        """Take the reports that come at once."""
        deadline = time.monotonic() + seconds
        while self._open and not self._post.stopped.is_set():
            left = deadline - time.monotonic()
            if left <= 0 or self._reactor.is_over():
                return
            if message := next_message(self._association, min(left, _STEP_SECONDS)):
                self._take(message)

    def _status(self) -> int | None:
        """The answer to the request; a report may come before it."""
        timeout = self._association.dimse_timeout or 0.0
        while message := next_message(self._association, timeout):
            answer = message.command
            if answer.field is Field.N_ACTION_RSP and answer.responds_to == self._number:
                return answer.status
            self._take(message)
        return None

    def _take(self, message: Message) -> None:
        if message.command.field is not Field.N_EVENT_REPORT_RQ:
            return
        status = Status.INVALID_ARGUMENT_VALUE
        try:
            said = decode_event(message.data or b"", self._syntax)
        except DataSetError as error:
            logger.error(Event("commitment", error, destination=self._title))
        else:
            self.reported = True
            self._open.discard(said.uid)
            if commitment_requests.note_report(self._post.outbox, self._title, said):
                status = Status.SUCCESS
        answer = writer.response(message.command, status)
        writer.send(self._association, message.context_id, answer)
