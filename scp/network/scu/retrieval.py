"""Instances asked of a peer: by C-GET into the archive, or by C-MOVE to the node itself."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation as Role
from pynetdicom.presentation import PresentationContext, build_role

from scp.config import Peer, Service, Settings
from scp.network.association import Proposal, access, associate
from scp.network.dimse import (
    STORAGE_CLASSES,
    STORAGE_SYNTAXES,
    Command,
    Field,
    Message,
    OpenSink,
    Sink,
    Status,
    is_storage,
    status_of,
    writer,
)
from scp.network.scu.patience import when_free
from scp.network.scu.requests import (
    IDENTIFIER_SYNTAXES,
    Conversation,
    Ending,
    context_of,
    sop_class_of,
)
from scp.network.tls import Contexts
from storage import Archive, IncomingDataSet, Received, Root, StoreOutcome
from storage.diagnostics import ArchiveError, Event
from storage.dicom.data_sets import Elements

logger = logging.getLogger(__name__)

# An association has so many presentation contexts (PS3.8 9.3.2.2), and one is the retrieve's.
_MOST_CONTEXTS = 127
# In which most images are compressed; the others behind them.
_NUMBERS = ("4.70", "4.90", "4.50", "5", "4.80", "4.91", "4.51", "4.57")
_FIRST_SYNTAXES = tuple(f"1.2.840.10008.1.2.{number}" for number in _NUMBERS)
_COMPRESSED = (
    *_FIRST_SYNTAXES,
    *sorted(STORAGE_SYNTAXES - {*_FIRST_SYNTAXES, *IDENTIFIER_SYNTAXES}),
)
# Of the SOP classes of PS3.6, where it is not known which are to come.
_LIKELY = "1.2.840.10008.5.1.4.1.1."


def _no_sink(context_id: int, command: Command) -> None:
    """Take nothing."""


@dataclass(frozen=True)
class RetrieveOrigin:
    """Who asks, and whom."""

    settings: Settings
    tls: Contexts
    title: str
    peer: Peer


@dataclass
class Arrivals:
    """What came of a C-GET: how many bytes, which instances are kept, and why one was not taken.

    `refused` is by SOP Instance UID; `kept` has the UIDs of study, series and instance.
    """

    bytes: int = 0
    instances: int = 0
    kept: set[tuple[str, str, str]] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class _Retriever:
    """Asks for instances on one association, which is open between `open` and `close`."""

    def __init__(self, origin: RetrieveOrigin, note: Callable[[int], None]) -> None:
        self._origin, self._note = origin, note
        self._conversation: Conversation | None = None
        self.arrivals = Arrivals()

    def close(self) -> None:
        """Release the association, if it is still there."""
        if self._conversation:
            self._conversation.close()
        self._conversation = None

    def _associate(
        self, proposals: Sequence[Proposal], roles: Sequence[Role] = (), sink: OpenSink = _no_sink
    ) -> Conversation:
        origin = self._origin
        ask = partial(
            associate,
            origin.settings,
            origin.tls,
            origin.title,
            origin.peer,
            proposals,
            roles,
            sink,
        )
        association = when_free(origin.settings, origin.peer, ask)
        self._conversation = Conversation(association, origin.settings, origin.title, origin.peer)
        return self._conversation

    def _begin(self, service: Service) -> tuple[Conversation, PresentationContext]:
        """The association for one request: the caller puts it back where that has ended well."""
        conversation, self._conversation = self._conversation, None
        assert conversation is not None, "open comes first"
        context = context_of(conversation.association, sop_class_of(Root.STUDY, service))
        if context is None:
            conversation.give_up(f"takes no C-{service.name}")
        return conversation, context


class Getting(_Retriever):
    """Asks for instances by C-GET, and stores them as if they were sent (PS3.4 C.4.3)."""

    service = Service.GET

    def __init__(
        self, origin: RetrieveOrigin, note: Callable[[int], None], archive: Archive
    ) -> None:
        super().__init__(origin, note)
        self._archive = archive
        self._syntaxes: dict[int | None, str] = {}

    def open(self, sop_classes: Sequence[str]) -> None:
        """Associate for instances of SOP classes; of any where none are known.

        Raises NoAssociationError.
        """
        classes = [uid for uid in dict.fromkeys(sop_classes) if is_storage(uid)] or _likely()
        storage = _storage_proposals(classes)
        roles = [build_role(uid, scp_role=True) for uid in dict.fromkeys(uid for uid, _ in storage)]
        get = (sop_class_of(Root.STUDY, Service.GET), IDENTIFIER_SYNTAXES)
        conversation = self._associate([get, *storage], roles, self._open_sink)
        accepted = conversation.association.accepted_contexts
        self._syntaxes = {one.context_id: str(one.transfer_syntax[0]) for one in accepted}

    def retrieve(self, held: Elements, is_stopped: Callable[[], bool]) -> Ending:
        """Ask for what an identifier names, and take what comes. Raises PeerError."""
        conversation, context = self._begin(self.service)
        ending = Ending(Status.SUCCESS)
        for message in conversation.ask(Field.C_GET_RQ, context, held, is_stopped=is_stopped):
            if message.command.field is Field.C_STORE_RQ:
                if not conversation.send(message.context_id, self._take(message)):
                    conversation.give_up("takes no response to its C-STORE")
                if is_stopped():
                    conversation.give_up("was stopped")
            elif not message.command.field.is_response:
                conversation.give_up(f"asks for {message.command.field.service}")
            else:
                ending = conversation.ending(message, context)
        self._conversation = conversation
        return ending

    def _open_sink(self, context_id: int, command: Command) -> Sink | None:
        syntax = self._syntaxes.get(context_id)
        if syntax is None or not is_storage(command.sop_class):
            return None
        return self._archive.receive(command.sop_class, command.sop_instance, syntax)

    def _take(self, message: Message) -> bytes:
        """Store what came; the response, which is Success when it is safe."""
        command, intake = message.command, message.sink
        if not isinstance(intake, IncomingDataSet):
            return writer.response(command, Status.SOP_CLASS_NOT_SUPPORTED)
        size, title = intake.size, self._origin.title
        received = Received(
            sop_class_uid=command.sop_class,
            sop_instance_uid=command.sop_instance,
            transfer_syntax_uid=self._syntaxes[message.context_id],
            data_set=intake,
            charset=access.charset(self._origin.settings, title),
            sender=title,
        )
        try:
            stored = self._archive.store(received)
        except ArchiveError as error:
            self.arrivals.refused[command.sop_instance] = str(error)
            logger.error(Event("not taken", error, peer=title, instance=command.sop_instance))
            return writer.response(command, status_of(error), comment=_comment(str(error)))
        finally:
            intake.discard()
        self.arrivals.bytes += size
        self.arrivals.instances += 1
        self.arrivals.kept.add(stored.uids)
        self._note(size)
        if stored.outcome is StoreOutcome.KEPT:
            words = "held with other content, which is kept"
            self.arrivals.refused[command.sop_instance] = words
            return writer.response(command, Status.ELEMENTS_DISCARDED, comment=words)
        return writer.response(command, Status.SUCCESS)


class Moving(_Retriever):
    """Asks for instances by C-MOVE to the node, which takes them (PS3.4 C.4.2)."""

    service = Service.MOVE

    def open(self, sop_classes: Sequence[str]) -> None:
        """Associate, whatever the SOP classes. Raises NoAssociationError."""
        self._associate([(sop_class_of(Root.STUDY, Service.MOVE), IDENTIFIER_SYNTAXES)])

    def retrieve(self, held: Elements, is_stopped: Callable[[], bool]) -> Ending:
        """Have the peer send what an identifier names. Raises PeerError."""
        conversation, context = self._begin(self.service)
        ending, done = Ending(Status.SUCCESS), 0
        title = self._origin.settings.node.ae_title
        for message in conversation.ask(Field.C_MOVE_RQ, context, held, title, is_stopped):
            command = message.command
            if not command.field.is_response:
                conversation.give_up(f"asks for {command.field.service}")
            now = (command.completed or 0) + (command.warning or 0)
            for _ in range(done, now):
                self._note(0)
            done = max(done, now)
            ending = conversation.ending(message, context)
        self.arrivals.instances += done
        self._conversation = conversation
        return ending


def _comment(words: str) -> str:
    return words[:64]  # LO (PS3.7 C.1)


def _likely() -> list[str]:
    """The SOP classes that instances may be of, those of most images first."""
    return sorted(STORAGE_CLASSES, key=lambda uid: (not uid.startswith(_LIKELY), len(uid), uid))


def _storage_proposals(classes: Sequence[str]) -> list[Proposal]:
    """Each SOP class with uncompressed syntaxes, and each in as many others as there is room for.

    Of one presentation context one syntax is accepted, and a peer that does not convert has to
    have that in which it holds an instance.
    """
    classes = classes[:_MOST_CONTEXTS]
    room = _MOST_CONTEXTS // len(classes) - 1
    found: list[Proposal] = [(uid, IDENTIFIER_SYNTAXES) for uid in classes]
    found += [(uid, (syntax,)) for syntax in _COMPRESSED[:room] for uid in classes]
    return found
