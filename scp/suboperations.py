"""One C-STORE sub-operation: from the file to the response (PS3.7 9.1.1, PS3.4 C.4.2.2)."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO, NoReturn

from pynetdicom.association import Association

from scp import calling, messages
from scp.command import Command, Field
from scp.reactor import driver_of
from scp.request import Request
from scp.status import Status, is_warning
from scp.transcode import TranscodeError, reachable, transcode
from storage import Location, checking, part10
from storage.errors import ArchiveError
from storage.tree import Tree


class Result(Enum):
    """How a sub-operation ended."""

    COMPLETED = auto()
    WARNED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Outcome:
    """The end of one sub-operation, with words for log and Error Comment."""

    location: Location
    result: Result
    words: str = ""


@dataclass(frozen=True)
class Originator:
    """Who asked for the retrieve, as C-STORE requests of a C-MOVE say (PS3.7 9.1.1.1)."""

    title: str
    message_id: int
    priority: int
    named: bool  # of a C-MOVE; a C-GET's requests name none

    @classmethod
    def of(cls, request: Request) -> "Originator":
        """The originator of the sub-operations of `request`."""
        command = request.command
        moved = command.field is Field.C_MOVE_RQ
        return cls(request.peer, command.message_id or 0, command.priority or 0, moved)


class AssociationLost(Exception):
    """The association ended, or had to be ended, while it was needed; says how."""


class Sender:
    """Sends instances over one established association, one at a time."""

    def __init__(
        self, association: Association, tree: Tree, originator: Originator, timeout: float
    ) -> None:
        self._association = association
        self._tree = tree
        self._originator = originator
        self._timeout = timeout
        self._number = 0
        self._contexts: dict[str, dict[str, int]] = {}
        for context in association.accepted_contexts:
            if context.as_scu:
                by_syntax = self._contexts.setdefault(str(context.abstract_syntax), {})
                by_syntax.setdefault(str(context.transfer_syntax[0]), context.context_id or 0)

    def send(self, location: Location) -> Outcome:
        """Send one instance. Raises AssociationLost where no more can be sent."""
        try:
            with self._tree.path(location.uids).open("rb") as file:
                return self._send_file(location, file)
        except FileNotFoundError:
            return Outcome(location, Result.FAILED, "its file is missing")
        except OSError as error:
            return Outcome(location, Result.FAILED, f"cannot be read: {error.strerror or error}")
        except ArchiveError as error:
            return Outcome(location, Result.FAILED, f"cannot be sent: {error}")

    def release(self) -> None:
        """Release the association, which is the node's own, if it is still there."""
        self._association.release()
        calling.finish(self._association)

    def _send_file(self, location: Location, file: BinaryIO) -> Outcome:
        meta = part10.read(file)
        stored = meta.transfer_syntax_uid
        held = os.fstat(file.fileno()).st_size - meta.data_set_offset
        if held != location.file_bytes:
            words = f"its file holds {held} bytes, {location.file_bytes} were received"
            return Outcome(location, Result.FAILED, words)
        accepted = self._contexts.get(location.sop_class_uid)
        if not accepted:
            return Outcome(location, Result.FAILED, "its SOP class was not accepted")
        if stored in accepted:
            return self._exchange(location, accepted[stored], file)
        # A decoder makes an image even of bytes that are not the ones received.
        fault = checking.fault_of(self._tree.path(location.uids), location)
        if fault:
            return Outcome(location, Result.FAILED, f"cannot be converted: {fault}")
        words = f"no transfer syntax for {stored} was accepted"
        for syntax in reachable(stored):
            if syntax not in accepted:
                continue
            try:
                converted = transcode(self._tree.path(location.uids), syntax)
            except TranscodeError as error:  # another one may still be possible
                words = f"cannot be sent: {error}"
                continue
            with converted:
                return self._exchange(location, accepted[syntax], converted)
        return Outcome(location, Result.FAILED, words)

    def _exchange(self, location: Location, context_id: int, source: BinaryIO) -> Outcome:
        """Send the request and wait for the response."""
        self._number = self._number % 0xFFFF + 1
        command = messages.store_request(
            location.sop_class_uid,
            location.uids[2],
            self._number,
            self._originator.priority,
            (self._originator.title, self._originator.message_id)
            if self._originator.named
            else None,
        )
        association = self._association
        if not messages.send_from(association, context_id, command, source, self._timeout):
            self._give_up("takes nothing more")
        response = self._response()
        status = response.status or 0
        if is_warning(status):
            return Outcome(location, Result.WARNED, f"status {status:04X}")
        if status != Status.SUCCESS:
            words = f"status {status:04X} {response.comment}".strip()
            return Outcome(location, Result.FAILED, words)
        return Outcome(location, Result.COMPLETED)

    def _response(self) -> Command:
        reactor = driver_of(self._association)
        message = reactor.message(self._timeout)
        if message is None and reactor.is_over():
            self._give_up("ended the association")
        if message is None:
            self._give_up(f"has not answered within {self._timeout:g} seconds")
        response = message.command
        valid = response.field is Field.C_STORE_RSP and response.status is not None
        if not valid or response.responds_to != self._number:
            self._give_up("answers something else")
        return response

    def _give_up(self, words: str) -> NoReturn:
        """End the association, whatever its peer does, and raise AssociationLost."""
        cut(self._association)
        raise AssociationLost(words)


def cut(association: Association) -> None:
    """End an association at once, whatever is still waiting to be sent."""
    connection = association.dul.socket.socket if association.dul.socket else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    association.abort()
    if association.is_requestor:
        calling.finish(association)
