"""One C-STORE sub-operation: from the file to the response (PS3.7 9.1.1, PS3.4 C.4.2.2)."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from pynetdicom.association import Association

from scp.copies.corrected import (
    Copies,
    Copy,
    GoneError,
    LimitError,
    Receiver,
    TranscodeError,
    reachable,
    transcode_file,
)
from scp.network.association import requestor
from scp.network.dimse import (
    Command,
    Field,
    Message,
    Status,
    is_warning,
    messages_of,
    next_message,
    writer,
)
from scp.network.scu.outcomes import (
    INTERNAL,
    AssociationLost,
    Cause,
    Originator,
    Result,
    SubOperationOutcome,
    Supply,
)
from scp.network.upper_layer import upper_layer_of
from scp.runtime import one_line
from storage import Location
from storage.diagnostics import ArchiveError, Event
from storage.dicom import part10

logger = logging.getLogger(__name__)

# Requests that a peer may send ahead, before its response.
_MAX_REQUESTS = 4


@dataclass(frozen=True)
class _Ready:
    """An instance whose bytes are at hand, in a form that its peer takes."""

    location: Location
    context_id: int
    sop_instance_uid: str
    source: BinaryIO


class Sender:
    """Sends instances over one established association, one at a time."""

    def __init__(
        self,
        association: Association,
        copies: Copies,
        originator: Originator,
        timeout: float,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._association = association
        self._copies = copies
        self._originator = originator
        self._timeout = timeout
        self._receiver = Receiver(lambda: is_stopped() or self._is_gone())
        self._number = 0
        self._contexts: dict[str, dict[str, int]] = {}
        self._other_role: set[str] = set()  # SOP classes that the peer only sends
        for context in association.accepted_contexts:
            sop_class = str(context.abstract_syntax)
            if context.as_scu:
                by_syntax = self._contexts.setdefault(sop_class, {})
                by_syntax.setdefault(str(context.transfer_syntax[0]), context.context_id or 0)
            else:
                self._other_role.add(sop_class)

    def send_all(self, supply: Supply, ahead: bool) -> Iterator[SubOperationOutcome]:
        """Send what `supply` gives; `ahead`: one is made ready while its peer works on another.

        Raises AssociationLost where no more can be sent, with the instance that was under way.
        """
        ready: _Ready | SubOperationOutcome | None = self._next(supply)
        following: _Ready | SubOperationOutcome | None = None
        try:
            while ready is not None:
                outcome = ready if isinstance(ready, SubOperationOutcome) else None
                if isinstance(ready, _Ready):
                    self._begin(ready)
                    following = self._next(supply) if ahead else None
                    outcome = self._end(ready)
                if outcome and outcome.cause is Cause.ASSOCIATION:
                    self._stop(outcome, supply)
                    return
                if outcome:
                    yield outcome
                ready, following = following or self._next(supply), None
                if ready is not None and supply.is_stopped():
                    following, ready = ready, None
        finally:
            for left in (ready, following):
                if isinstance(left, _Ready):
                    left.source.close()
            if following:
                supply.give_back(following.location)

    def release(self) -> None:
        """Release the association, which is the node's own, if it is still there."""
        self._association.release()
        requestor.finish(self._association)

    def _next(self, supply: Supply) -> "_Ready | SubOperationOutcome | None":
        """The next instance, ready to be sent, or failed already; None where there is none."""
        location = supply.take(self._copies.expect)
        if location is None:
            return None
        try:
            return self._open(location)
        except FileNotFoundError:
            words = "its file is missing"
        except OSError as error:
            words = f"cannot be read: {error.strerror or error}"
        except ArchiveError as error:
            words = f"cannot be sent: {error}"
        except Exception as error:  # it is one of the total, and the only one that has failed
            logger.error(Event("not sent", one_line(error), instance=location.uids[2]))
            words = INTERNAL
        return SubOperationOutcome(location, Result.FAILED, words)

    def _open(self, location: Location) -> "_Ready | SubOperationOutcome":
        copy = self._copies.open(location)
        ready = None
        try:
            ready = self._prepare(location, copy)
            return ready
        finally:
            if not isinstance(ready, _Ready) or ready.source is not copy.file:
                copy.file.close()

    def _prepare(self, location: Location, copy: Copy) -> "_Ready | SubOperationOutcome":
        stored = part10.read(copy.file).transfer_syntax_uid
        accepted = self._contexts.get(location.sop_class_uid)
        if not accepted:
            words = "its SOP class was not accepted"
            if location.sop_class_uid in self._other_role:  # of a C-GET (PS3.4 C.5.3)
                words = "no role selection as SCP was proposed for its SOP class"
            return SubOperationOutcome(location, Result.FAILED, words)
        if stored in accepted:
            return _Ready(location, accepted[stored], copy.sop_instance_uid, copy.file)
        return self._convert(location, copy, stored, accepted)

    def _convert(
        self, location: Location, copy: Copy, stored: str, accepted: dict[str, int]
    ) -> "_Ready | SubOperationOutcome":
        # A decoder makes an image even of bytes that are not the ones received.
        fault = self._copies.fault_of(location)
        if fault:
            return SubOperationOutcome(location, Result.FAILED, f"cannot be converted: {fault}")
        words = f"no transfer syntax for {stored} was accepted"
        for syntax in reachable(stored):
            if syntax not in accepted:
                continue
            try:
                copy.file.seek(0)
                source = transcode_file(copy.file, syntax, receiver=self._receiver)
                return _Ready(location, accepted[syntax], copy.sop_instance_uid, source)
            except GoneError as error:
                return SubOperationOutcome(location, Result.FAILED, str(error), Cause.ASSOCIATION)
            except LimitError as error:
                return SubOperationOutcome(location, Result.FAILED, f"cannot be sent: {error}")
            except TranscodeError as error:  # another one may still be possible
                words = f"cannot be sent: {error}"
        return SubOperationOutcome(location, Result.FAILED, words)

    def _stop(self, outcome: SubOperationOutcome, supply: Supply) -> None:
        """Send no more, where it was to stop. Raises AssociationLost where it was not."""
        if not supply.is_stopped():
            self._give_up("ended the association", outcome.location)
        supply.give_back(outcome.location)

    def _is_gone(self) -> bool:
        """Whether the association has ended, or its peer wants it to."""
        reactor = upper_layer_of(self._association)
        reactor.look()
        return reactor.is_over()

    def _begin(self, ready: "_Ready") -> None:
        """Send the request. Raises AssociationLost."""
        self._number = self._number % 0xFFFF + 1
        originator = self._originator
        command = writer.store_request(
            ready.location.sop_class_uid,
            ready.sop_instance_uid,
            self._number,
            originator.priority,
            (originator.title, originator.message_id) if originator.named else None,
        )
        try:
            with ready.source as source:
                sent = writer.send_from(
                    self._association, ready.context_id, command, source, self._timeout
                )
        except OSError as error:  # its file: half of it may be sent, which nothing else can end
            self._give_up(f"was sent no more: {error.strerror or error}", ready.location)
        if not sent:
            self._give_up("takes nothing more", ready.location)

    def _end(self, ready: "_Ready") -> SubOperationOutcome:
        """Wait for the response. Raises AssociationLost."""
        location, response = ready.location, self._response(ready.location)
        status = response.status or 0
        if is_warning(status):
            return SubOperationOutcome(
                location, Result.WARNED, f"status {status:04X}", status=status
            )
        if status != Status.SUCCESS:
            words = f"status {status:04X} {response.comment}".strip()
            return SubOperationOutcome(location, Result.FAILED, words, status=status)
        return SubOperationOutcome(location, Result.COMPLETED, status=status)

    def _response(self, location: Location) -> Command:
        response = self._next_response(location)
        valid = response.field is Field.C_STORE_RSP and response.status is not None
        if not valid or response.responds_to != self._number:
            self._give_up("answers something else", location)
        return response

    def _next_response(self, location: Location) -> Command:
        """The next message; what the requestor of a C-GET asks meanwhile is for later."""
        reactor, requests = upper_layer_of(self._association), deque[Message]()
        try:
            while len(requests) <= _MAX_REQUESTS:
                message = next_message(self._association, self._timeout)
                if message is None and reactor.is_over():
                    self._give_up("ended the association", location)
                if message is None:
                    self._give_up(f"has not answered within {self._timeout:g} seconds", location)
                if not (message.command.is_request and self._association.is_acceptor):
                    return message.command
                requests.append(message)
            self._give_up("asks instead of answering", location)
        finally:
            messages_of(self._association).messages.extendleft(reversed(requests))

    def _give_up(self, words: str, location: Location) -> NoReturn:
        """End the association, whatever its peer does, and raise AssociationLost."""
        cut(self._association)
        raise AssociationLost(words, location)


def cut(association: Association) -> None:
    """End an association at once, whatever is still waiting to be sent."""
    connection = association.dul.socket.socket if association.dul.socket else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    association.abort()
    if association.is_requestor:
        requestor.finish(association)
