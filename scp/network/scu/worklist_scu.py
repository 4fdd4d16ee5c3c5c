"""A worklist asked as a modality asks it (PS3.4 K.4.1.3)."""

from collections.abc import Iterator
from functools import partial

from scp.config import Peer, Settings
from scp.network.association import associate
from scp.network.dimse import MODALITY_WORKLIST, Field, Status
from scp.network.scu.patience import when_free
from scp.network.scu.requests import (
    IDENTIFIER_SYNTAXES,
    Conversation,
    PeerError,
    context_of,
)
from scp.network.tls import Contexts
from storage.dicom.data_sets import Elements

_PENDING = (Status.PENDING, Status.PENDING_KEYS_UNSUPPORTED)
_MOST_ANSWERS = 100_000


def ask_worklist(
    settings: Settings, tls: Contexts, title: str, peer: Peer, keys: Elements
) -> Iterator[Elements]:
    """The entries that a peer answers to keys, as they come.

    Raises NoAssociationError, and PeerError where it does not answer to the end.
    """
    proposals = [(MODALITY_WORKLIST, IDENTIFIER_SYNTAXES)]
    opened = partial(associate, settings, tls, title, peer, proposals)
    conversation = Conversation(when_free(settings, peer, opened), settings, title, peer)
    try:
        context = context_of(conversation.association, MODALITY_WORKLIST)
        if context is None:
            raise PeerError("takes no worklist queries")
        for number, message in enumerate(conversation.ask(Field.C_FIND_RQ, context, keys)):
            status = message.command.status or 0
            if number >= _MOST_ANSWERS:
                conversation.give_up(f"answers more than {_MOST_ANSWERS:,} times: ask for less")
            if status in _PENDING:
                yield conversation.read(message, context)
            elif status != Status.SUCCESS:
                words = f"{status:04X} {message.command.comment}".strip()
                raise PeerError(f"answers the query by status {words}")
    finally:
        conversation.close()
