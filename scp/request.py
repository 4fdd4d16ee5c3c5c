"""One DIMSE request and the responses to it, as a handler sees them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom.tag import BaseTag
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_CANCEL, C_STORE
from pynetdicom.presentation import PresentationContext

from scp import messages, peers
from scp.contexts import QUERY_RETRIEVE
from scp.extended import options_of
from scp.node import Node
from scp.status import Status, status_of
from storage import Query
from storage.errors import (
    ERROR_COMMENT_CHARACTERS,
    ArchiveError,
    DataSetError,
    IdentifierError,
    MismatchError,
    both_uids,
)

# Most that an Offending Element (0000,0901) of explicit length holds, and more than helps anyone.
_MAX_OFFENDING = 64


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


@dataclass
class Request:
    """A request that came on an accepted presentation context."""

    node: Node
    association: Association
    message: Any  # one of pynetdicom's DIMSE primitives
    context: PresentationContext
    traffic: Traffic
    final_status: int | None = field(default=None, init=False)
    _pending: tuple[Status, bytes] | None = field(default=None, init=False)

    @property
    def sop_class(self) -> str:
        """The SOP class of the command: of a DIMSE-C request the affected, else the requested."""
        message = self.message
        return str(message.AffectedSOPClassUID or getattr(message, "RequestedSOPClassUID", ""))

    @property
    def sop_instance(self) -> str:
        """The SOP instance of the command, empty where there is none."""
        message = self.message
        affected = getattr(message, "AffectedSOPInstanceUID", None)
        return str(affected or getattr(message, "RequestedSOPInstanceUID", None) or "")

    @property
    def peer(self) -> str:
        """The calling AE title."""
        return str(self.association.requestor.ae_title).strip()

    @property
    def address(self) -> str:
        """Where the peer calls from."""
        return self.association.requestor.address

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax of the presentation context."""
        return str(self.context.transfer_syntax[0])

    @property
    def charset(self) -> str:
        """The Specific Character Set of the peer's text that names none."""
        return peers.charset(self.node.settings, self.peer)

    def query(self) -> Query:
        """The request's Identifier, as a query of the SOP class's information model.

        Raises DataSetError or IdentifierError.
        """
        sop_class = str(self.context.abstract_syntax)
        root, _ = QUERY_RETRIEVE[sop_class]
        options = options_of(self.association, sop_class)
        if self.message.Identifier is None:
            raise DataSetError("No Identifier")
        data = self.message.Identifier.getvalue()
        return Query.read(root, data, self.transfer_syntax, self.charset, options)

    def respond(
        self,
        status: int,
        comment: str = "",
        offending: Iterable[BaseTag] = (),
        identifier: bytes | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Send a response; `counts` are those of sub-operations, by keyword."""
        response = type(self.message)()
        response.MessageIDBeingRespondedTo = self.message.MessageID
        response.AffectedSOPClassUID = self.sop_class
        if self.sop_instance:
            response.AffectedSOPInstanceUID = self.sop_instance
        if hasattr(self.message, "ActionTypeID"):
            response.ActionTypeID = self.message.ActionTypeID
        response.Status = int(status)
        if comment:
            response.ErrorComment = _error_comment(comment)
        tags = list(offending)[:_MAX_OFFENDING]
        if tags:
            response.OffendingElement = tags
        if identifier is not None:
            response.Identifier = BytesIO(identifier)
        for keyword, value in (counts or {}).items():
            setattr(response, keyword, value)
        if status not in (Status.PENDING, Status.PENDING_KEYS_UNSUPPORTED):
            self.final_status = int(status)
        self.association.dimse.send_msg(response, self._context_id)

    @property
    def _context_id(self) -> int:
        return self.context.context_id or 0

    def respond_match(self, status: Status, identifier: bytes) -> None:
        """Send a pending response of a C-FIND."""
        if self._pending is None or self._pending[0] is not status:
            command = messages.find_pending(
                str(self.message.AffectedSOPClassUID), self.message.MessageID, status
            )
            self._pending = status, command
        messages.send(self.association, self._context_id, self._pending[1], identifier)
        self.traffic.bytes_out += len(identifier)

    def refuse(
        self, error: ArchiveError, statuses: Callable[[ArchiveError], Status] = status_of
    ) -> None:
        """Answer with the failure that `error` is, by the table `statuses`."""
        offending = error.offending if isinstance(error, IdentifierError | MismatchError) else ()
        self.respond(statuses(error), str(error), offending)

    def refuse_sop_class(self, said: str, agreed: str) -> None:
        """Answer a command whose SOP class is not its presentation context's."""
        store = isinstance(self.message, C_STORE)
        status = Status.DOES_NOT_MATCH_SOP_CLASS if store else Status.SOP_CLASS_NOT_SUPPORTED
        self.respond(status, both_uids(said, agreed))

    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this request has come (PS3.7 9.3.2.3).

        Raises PeerGone where there is nobody left to answer.
        """
        if self.association.acse.is_aborted() or not self.association.dul.is_alive():
            raise PeerGone
        cancel: C_CANCEL | None = self.association.dimse.cancel_req.get(self.message.MessageID)
        return cancel is not None

    def stop_if_cancelled(self) -> None:
        """Raise Cancelled where a C-CANCEL has come, PeerGone where the peer is gone."""
        if self.is_cancelled():
            raise Cancelled


def _error_comment(text: str) -> str:
    """`text` as an Error Comment can hold it: one line of the default repertoire, 64 characters."""
    printable = "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in text)
    return printable[:ERROR_COMMENT_CHARACTERS]
