"""Requests of Query/Retrieve to a peer (PS3.4 C.4): asked on one association, answer by answer."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import NoReturn, Self

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from scp.config import Peer, Service, Settings
from scp.network.association import access, associate, finish
from scp.network.dimse import (
    QUERY_RETRIEVE,
    Command,
    Field,
    Message,
    Status,
    command_set,
    identifier,
    next_message,
    writer,
)
from scp.network.scu.patience import when_free
from scp.network.scu.store import cut
from scp.network.tls import Contexts
from scp.network.upper_layer import upper_layer_of
from storage import Level, Root
from storage.diagnostics import DataSetError
from storage.dicom.data_sets import MESSAGE, Element, Elements, ReadBudget, elements, reader

IDENTIFIER_SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
_PENDING = (Status.PENDING, Status.PENDING_KEYS_UNSUPPORTED)
# So many are held in memory; a peer that never ends is left.
_MOST_ANSWERS = 1_000_000
# How often who waits for an answer looks whether it should go on.
_LOOK_SECONDS = 0.5


class PeerError(Exception):
    """A peer that did not do what it was asked: what it does instead, in words."""


@dataclass(frozen=True)
class Ending:
    """The final response to a retrieve: its status and comment, and the instances that failed."""

    status: int
    comment: str = ""
    failed: tuple[str, ...] = ()
    failures: int = 0

    @property
    def words(self) -> str:
        """What it says, for a person."""
        return f"status {self.status:04X} {self.comment}".strip()


def sop_class_of(root: Root, service: Service) -> str:
    """The Query/Retrieve SOP class of an information model and a service (PS3.4 C.6)."""
    return next(uid for uid, held in QUERY_RETRIEVE.items() if held == (root, service))


def context_of(association: Association, sop_class: str) -> PresentationContext | None:
    """The first accepted presentation context of a SOP class."""
    accepted = association.accepted_contexts
    return next((one for one in accepted if one.abstract_syntax == sop_class), None)


class Conversation:
    """One association, on which a peer is asked one thing after the other."""

    def __init__(
        self, association: Association, settings: Settings, title: str, peer: Peer
    ) -> None:
        self.association = association
        self._title, self._settings = title, settings
        self._timeout = peer.dimse_timeout or settings.limits.dimse_timeout
        self._charset = access.charset(settings, title)
        self._number = 0
        self._is_over = False

    def close(self) -> None:
        """Release the association."""
        if not self._is_over:
            self.association.release()
            finish(self.association)
        self._is_over = True

    def cut(self) -> None:
        """End the association at once, whatever its peer does."""
        if not self._is_over:
            cut(self.association)
        self._is_over = True

    @property
    def is_over(self) -> bool:
        """Whether it was ended here."""
        return self._is_over

    def has_ended(self) -> bool:
        """Whether its peer has ended it, or wants to."""
        layer = upper_layer_of(self.association)
        layer.look()
        return self._is_over or layer.is_over()

    def ask(
        self,
        field: Field,
        context: PresentationContext,
        held: Elements,
        destination: str = "",
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Message]:
        """Send a request with an identifier; what comes, to the final response, which is the last.

        Requests of the peer are among it, to be answered. Raises PeerError where it does not go on
        to the end; the association is over then.
        """
        self._number = self._number % 0xFFFF + 1
        request = Command(
            field, message_id=self._number, sop_class=str(context.abstract_syntax), priority=0,
            has_data_set=True, move_destination=destination,
        )  # fmt: skip
        data = identifier.encode(held, str(context.transfer_syntax[0]), self._charset)
        if not self.send(context.context_id or 0, command_set.encode(request), data):
            self.give_up("takes no request")
        ended = False
        try:
            while not ended:
                message = self._next(is_stopped)
                command = message.command
                if command.field.is_response:
                    if command.field != field | 0x8000 or command.responds_to != self._number:
                        self.give_up("answers something else")
                    ended = command.status not in _PENDING
                yield message
        finally:
            if not ended:
                self.cut()

    def find(self, context: PresentationContext, keys: Elements, most: int) -> Iterator[Elements]:
        """The answers to an identifier, as they come.

        Raises PeerError where the peer does not answer to the end, or more than `most` times.
        """
        for number, message in enumerate(self.ask(Field.C_FIND_RQ, context, keys)):
            status = message.command.status or 0
            if number >= most:
                self.give_up(f"answers more than {most:,} times: ask for less")
            if status in _PENDING:
                yield self.read(message, context)
            elif status != Status.SUCCESS:
                words = f"{status:04X} {message.command.comment}".strip()
                raise PeerError(f"answers the query by status {words}")

    def send(self, context_id: int, command: bytes, data: bytes | None = None) -> bool:
        """Send a message; whether the peer took it."""
        return writer.send(self.association, context_id, command, data)

    def read(self, message: Message, context: PresentationContext) -> Elements:
        """The identifier of a response. Raises PeerError where it cannot be read."""
        budget = ReadBudget(MESSAGE)
        try:
            held = reader.read_whole(message.data or b"", str(context.transfer_syntax[0]), budget)
            return elements.read(held, None, self._charset, unknown_vr="LO", budget=budget)
        except DataSetError as error:
            raise PeerError(f"answers what cannot be read: {error}") from error

    def ending(self, message: Message, context: PresentationContext) -> Ending:
        """What the final response to a retrieve says."""
        failed: tuple[str, ...] = ()
        if message.data:
            try:
                held = self.read(message, context)
            except PeerError as error:
                self.give_up(str(error))
            listed = held.get(identifier.FAILED_SOP_INSTANCE_UID_LIST)
            failed = tuple(filter(None, listed.text.split("\\"))) if listed else ()
        command = message.command
        return Ending(command.status or 0, command.comment, failed, command.failed or 0)

    def give_up(self, words: str) -> NoReturn:
        """End the association, and raise PeerError."""
        self.cut()
        raise PeerError(words)

    def _next(self, is_stopped: Callable[[], bool]) -> Message:
        until = time.monotonic() + self._timeout
        while True:
            message = next_message(self.association, _LOOK_SECONDS)
            if message is not None:
                return message
            if is_stopped():
                self.give_up("was stopped")
            if upper_layer_of(self.association).is_over():
                self.give_up("ended the association")
            if time.monotonic() > until:
                self.give_up(f"has not answered within {self._timeout:g} seconds")


class Inquirer:
    """Asks a peer by C-FIND, on an association that is opened when there is something to ask."""

    def __init__(self, settings: Settings, tls: Contexts, title: str, peer: Peer) -> None:
        self._settings, self._tls, self._title, self._peer = settings, tls, title, peer
        self._idle: list[Conversation] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Release the association; the next question opens another."""
        while self._idle:
            self._idle.pop().close()

    def grants(self) -> frozenset[Service]:
        """Which services of Query/Retrieve the peer accepts. Raises NoAssociationError."""
        conversation = self._conversation()
        self._idle.append(conversation)
        accepted = (str(one.abstract_syntax) for one in conversation.association.accepted_contexts)
        return frozenset(QUERY_RETRIEVE[uid][1] for uid in accepted if uid in QUERY_RETRIEVE)

    def find(self, level: Level, keys: Elements) -> Iterator[Elements]:
        """The answers to an identifier of a level, as they come.

        Raises NoAssociationError, and PeerError where it does not answer to the end.
        """
        conversation = self._conversation()
        context = self._context(conversation.association, level)
        asked = keys | {identifier.QUERY_RETRIEVE_LEVEL: Element("CS", level.name)}
        try:
            yield from conversation.find(context, asked, _MOST_ANSWERS)
        finally:
            if not conversation.is_over:
                self._idle.append(conversation)

    def _conversation(self) -> Conversation:
        """An association that is there, or a new one."""
        while self._idle:
            conversation = self._idle.pop()
            if not conversation.has_ended():
                return conversation
            conversation.cut()
        proposals = [(uid, IDENTIFIER_SYNTAXES) for uid, (root, _) in QUERY_RETRIEVE.items()
                     if root is not Root.PATIENT_STUDY_ONLY]  # fmt: skip
        ask = partial(associate, self._settings, self._tls, self._title, self._peer, proposals)
        association = when_free(self._settings, self._peer, ask)
        return Conversation(association, self._settings, self._title, self._peer)

    def _context(self, association: Association, level: Level) -> PresentationContext:
        """That of the Study Root; patients are asked for in theirs. Raises PeerError."""
        roots = [Root.STUDY, Root.PATIENT]
        if level is Level.PATIENT:
            roots.remove(Root.STUDY)
        for root in roots:
            context = context_of(association, sop_class_of(root, Service.FIND))
            if context:
                return context
        raise PeerError(f"takes no queries of the level {level.name}")
