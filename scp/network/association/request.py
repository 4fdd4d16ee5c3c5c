"""One DIMSE request and the responses to it, as a handler sees them."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydicom.tag import BaseTag
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from scp.network.association import access
from scp.network.association.shared import WorkerContext
from scp.network.dimse import (
    QUERY_RETRIEVE,
    Command,
    Field,
    Message,
    Status,
    messages_of,
    options_of,
    status_of,
    writer,
)
from scp.network.upper_layer import Bytes, upper_layer_of
from scp.runtime import StoreTally
from storage import Query
from storage.diagnostics import (
    ArchiveError,
    DataSetError,
    Event,
    IdentifierError,
    MismatchError,
    both_uids,
    error_comment,
)

logger = logging.getLogger(__name__)

# Most that an Offending Element (0000,0901) of explicit length holds, and more than helps anyone.
_MAX_OFFENDING = 64

# Pending responses that follow on each other go together: so many pieces of PDUs, of so many bytes
# of identifiers, and within this time.
_MOST_HELD, _MOST_HELD_BYTES = 256, 64 * 1024
_HELD_SECONDS = 0.02


class PeerGone(Exception):
    """The association ended while its request was being served."""


class Cancelled(Exception):
    """The peer has cancelled its request."""


@dataclass
class Traffic:
    """What an association carried: requests served, and bytes of data sets and answers."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    stored: StoreTally = field(default_factory=StoreTally)


@dataclass
class Request:
    """A request that came on an accepted presentation context."""

    node: WorkerContext
    association: Association
    message: Message
    context: PresentationContext
    traffic: Traffic
    audit: dict[str, Any] = field(default_factory=dict)  # what the trail says of it
    final_status: int | None = field(default=None, init=False)
    sent_bytes: int = field(default=0, init=False)  # of instances that arrived
    _pending: tuple[Status, bytes] | None = field(default=None, init=False)
    _held: list[Bytes] = field(default_factory=list, init=False)  # of responses, to be sent
    _held_bytes: int = field(default=0, init=False)  # of their identifiers
    _last_sent: float = field(default_factory=time.monotonic, init=False)

    @property
    def command(self) -> Command:
        """The command set."""
        return self.message.command

    @property
    def data(self) -> bytes:
        """The data set, empty where there is none."""
        return self.message.data or b""

    @property
    def sop_class(self) -> str:
        """The SOP class of the command."""
        return self.command.sop_class

    @property
    def sop_instance(self) -> str:
        """The SOP instance of the command, empty where there is none."""
        return self.command.sop_instance

    @cached_property
    def peer(self) -> str:
        """The calling AE title."""
        return str(self.association.requestor.ae_title).strip()

    @property
    def address(self) -> str:
        """Where the peer calls from."""
        return self.association.requestor.address

    @property
    def who(self) -> dict[str, str]:
        """Both, as fields of the log."""
        return {"peer": self.peer, "address": self.address}

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax of the presentation context."""
        return str(self.context.transfer_syntax[0])

    @property
    def charset(self) -> str:
        """The Specific Character Set of the peer's text that names none."""
        return access.charset(self.node.settings, self.peer)

    def query(self) -> Query:
        """The request's Identifier, as a query of the SOP class's information model.

        Raises DataSetError or IdentifierError.
        """
        sop_class = str(self.context.abstract_syntax)
        root, _ = QUERY_RETRIEVE[sop_class]
        options = options_of(self.association, sop_class)
        if self.message.data is None:
            raise DataSetError("No Identifier")
        lenient = access.is_lenient(self.node.settings, self.peer)
        query = Query.read(root, self.data, self.transfer_syntax, self.charset, options, lenient)
        if query.oddity:
            logger.info(Event("unusual Identifier", query.oddity, **self.who))
        return query

    def respond(
        self,
        status: int,
        comment: str = "",
        offending: Iterable[BaseTag] = (),
        identifier: bytes | None = None,
        counts: Mapping[str, int] | None = None,
        **further: Any,
    ) -> None:
        """Send a response; `counts` are those of sub-operations, by attribute of Command.

        `further`: other attributes of Command that it is to have.
        """
        response = writer.response(
            self.command,
            status,
            comment=error_comment(comment) if comment else "",
            offending=tuple(map(int, offending))[:_MAX_OFFENDING],
            has_data_set=identifier is not None,
            counts=counts,
            **further,
        )
        if status not in (Status.PENDING, Status.PENDING_KEYS_UNSUPPORTED):
            self.final_status = int(status)
        pieces = writer.message(self.association, self._context_id, response, identifier)
        self._held += pieces
        self._send_held()

    @property
    def _context_id(self) -> int:
        return self.context.context_id or 0

    def respond_match(self, status: Status, identifier: bytes) -> None:
        """Send a pending response of a C-FIND: soon, with others and the last one if these follow.

        Each by itself would take a system call, and would wake the peer. Raises Cancelled or
        PeerGone where that is to be the last one.
        """
        if self._pending is None or self._pending[0] is not status:
            command = writer.response(self.command, status, has_data_set=True)
            self._pending = status, command
        size = len(identifier)
        self.traffic.bytes_out += size
        self._held += writer.message(
            self.association, self._context_id, self._pending[1], identifier
        )
        self._held_bytes += size
        is_much = len(self._held) >= _MOST_HELD or self._held_bytes >= _MOST_HELD_BYTES
        if is_much or self._is_late:
            self._send_held()
            self.stop_if_cancelled()

    @property
    def _is_late(self) -> bool:
        return time.monotonic() - self._last_sent >= _HELD_SECONDS

    def _send_held(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        writer.send_pieces(self.association, held)
        self._last_sent = time.monotonic()

    def count_sent(self, size: int) -> None:
        """Count an instance that was sent for this request: at once, a retrieve may take hours."""
        self.sent_bytes += size
        self.traffic.bytes_out += size
        self.node.counters.add([(("instances", "out"), 1), (("bytes", "out"), size)])

    def refuse(
        self, error: ArchiveError, statuses: Callable[[ArchiveError], Status] = status_of
    ) -> None:
        """Answer with the failure that `error` is, by the table `statuses`."""
        self.audit["reason"] = str(error)
        offending = error.offending if isinstance(error, IdentifierError | MismatchError) else ()
        self.respond(statuses(error), str(error), offending)

    def refuse_sop_class(self, said: str, agreed: str) -> None:
        """Answer a command whose SOP class is not its presentation context's."""
        store = self.command.field is Field.C_STORE_RQ
        status = Status.DOES_NOT_MATCH_SOP_CLASS if store else Status.SOP_CLASS_NOT_SUPPORTED
        self.respond(status, both_uids(said, agreed))

    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this request has come (PS3.7 9.3.2.3).

        Raises PeerGone where there is nobody left to answer.
        """
        reactor = upper_layer_of(self.association)
        reactor.look()
        if self.association.acse.is_aborted() or not reactor.is_alive():
            raise PeerGone
        return self.command.message_id in messages_of(self.association).cancelled

    def stop_if_cancelled(self) -> None:
        """Raise Cancelled where a C-CANCEL has come, PeerGone where the peer is gone.

        Asked now and then, it also sends what has waited for what follows.
        """
        if self._held and self._is_late:
            self._send_held()
        if self.is_cancelled():
            raise Cancelled
