"""The associations that the node opens itself, as the statement lists them."""

from collections.abc import Iterable
from dataclasses import dataclass

from scp.forwarding import PROPOSAL
from scp.network.dimse import (
    CONTEXT,
    MODALITY_WORKLIST,
    STORAGE_CLASSES,
    STORAGE_SYNTAXES,
    VERIFICATION,
)
from scp.network.scu import SYNTAXES


@dataclass(frozen=True)
class Activity:
    """What has the node open associations, and what it proposes in them."""

    name: str
    content: str
    sop_classes: frozenset[str]
    transfer_syntaxes: Iterable[str]
    role: str


ACTIVITIES = (
    Activity(
        "C-MOVE request, `minipacs send`, `[[forward]]`",
        "C-STORE requests",
        STORAGE_CLASSES,
        STORAGE_SYNTAXES,
        "SCU",
    ),
    Activity(
        "Report of storage commitment",
        "N-EVENT-REPORT request",
        frozenset(CONTEXT[:1]),
        CONTEXT[1],
        "SCP",
    ),
    Activity(
        "`[[forward]]`",
        "N-ACTION request of storage commitment",
        frozenset(CONTEXT[:1]),
        CONTEXT[1],
        "SCU",
    ),
    Activity(
        "`minipacs worklist ask`",
        "C-FIND request",
        frozenset({MODALITY_WORKLIST}),
        SYNTAXES,
        "SCU",
    ),
    Activity(
        "`notify` of a peer",
        "N-CREATE request of Instance Availability Notification",
        frozenset(PROPOSAL[:1]),
        PROPOSAL[1],
        "SCU",
    ),
    Activity("`minipacs peers`", "C-ECHO request", frozenset({VERIFICATION}), SYNTAXES, "SCU"),
)
