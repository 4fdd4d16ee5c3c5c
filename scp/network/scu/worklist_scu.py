"""A worklist asked as a modality asks it (PS3.4 K.4.1.3)."""

from collections.abc import Iterator
from functools import partial

from scp.config import Peer, Settings
from scp.network.association import associate
from scp.network.dimse import MODALITY_WORKLIST
from scp.network.scu.patience import when_free
from scp.network.scu.requests import (
    IDENTIFIER_SYNTAXES,
    Conversation,
    PeerError,
    context_of,
)
from scp.network.tls import Contexts
from storage.dicom.data_sets import Elements

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
        yield from conversation.find(context, keys, _MOST_ANSWERS)
    finally:
        conversation.close()
