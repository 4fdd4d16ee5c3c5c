"""A peer asked for an echo (C-ECHO, PS3.4 annex A)."""

import time
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from scp.config import Peer, Settings
from scp.network.association import NoAssociationError, Obstacle, associate, finish
from scp.network.dimse import (
    VERIFICATION,
    Command,
    Field,
    Status,
    command_set,
    next_message,
    writer,
)
from scp.network.tls import Contexts

SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


@dataclass(frozen=True)
class Echo:
    """What became of one; `fault` is empty where it was answered."""

    seconds: float
    fault: str = ""


def echo(settings: Settings, tls: Contexts, title: str, peer: Peer) -> Echo:
    """Open an association with a peer and have it answer C-ECHO."""
    started = time.monotonic()
    try:
        fault = _echo(settings, tls, title, peer)
    except NoAssociationError as error:
        is_other = error.obstacle is Obstacle.NOTHING_ACCEPTED
        fault = "does not take Verification" if is_other else str(error)
    return Echo(time.monotonic() - started, fault)


def _echo(settings: Settings, tls: Contexts, title: str, peer: Peer) -> str:
    association = associate(settings, tls, title, peer, [(VERIFICATION, SYNTAXES)])
    context = association.accepted_contexts[0]
    request = Command(Field.C_ECHO_RQ, message_id=1, sop_class=VERIFICATION)
    writer.send(association, context.context_id or 0, command_set.encode(request))
    answer = next_message(association, association.dimse_timeout or 0)
    association.release()
    finish(association)
    if answer is None:
        return "does not answer"
    status = answer.command.status
    return "" if status == Status.SUCCESS else f"answers {status or 0:04X}"
