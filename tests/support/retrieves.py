"""Destinations, and what is retrieved."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import (
    AE,
    ALL_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    build_role,
    evt,
)
from pynetdicom.dimse_primitives import C_STORE

from support.clients import find, identifier
from support.names import CT, EXPLICIT, FIND, GET
from support.node import RunningNode


@dataclass(frozen=True)
class Arrived:
    """An instance as a peer got it from the node."""

    sop_class_uid: str
    transfer_syntax_uid: str
    data_set: bytes
    message: C_STORE


@dataclass
class Inbox:
    """What arrived at a peer; `answer` is the status for everything, or for some instances."""

    arrived: list[tuple[str, Arrived]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    calling: list[str] = field(default_factory=list)

    def take(self, event: evt.Event) -> int:
        """Handle a C-STORE request."""
        request = event.request
        arrived = Arrived(
            str(request.AffectedSOPClassUID),
            str(event.context.transfer_syntax),
            request.DataSet.getvalue(),
            request,
        )
        self.arrived.append((str(request.AffectedSOPInstanceUID), arrived))
        return self.statuses.get(str(request.AffectedSOPInstanceUID), 0x0000)

    def take_all(self) -> dict[str, Arrived]:
        """What arrived since the last time, by SOP Instance UID; each once."""
        arrived, self.arrived = self.arrived, []
        by_uid = dict(arrived)
        assert len(by_uid) == len(arrived), "an instance came twice"
        return by_uid

    def data_sets(self) -> dict[str, bytes]:
        """The same, data sets alone."""
        return {uid: arrived.data_set for uid, arrived in self.take_all().items()}


@contextmanager
def destination(title: str, *sop_classes: str) -> Iterator[tuple[Inbox, int]]:
    """A storage SCP of pynetdicom's on a port of the kernel's choice: its inbox and its port.

    It takes `sop_classes` and all of the standard's, in any transfer syntax.
    """
    inbox = Inbox()
    entity = AE(title)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", ALL_TRANSFER_SYNTAXES)
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)

    def log_caller(event: evt.Event) -> None:
        inbox.calling.append(event.assoc.requestor.ae_title.strip())

    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, inbox.take), (evt.EVT_ESTABLISHED, log_caller)],
    )
    try:
        yield inbox, server.server_address[1]
    finally:
        server.shutdown()


def getting(
    inbox: Inbox, contexts: Sequence[tuple[str, str]], root: str = "STUDY"
) -> dict[str, Any]:
    """What `RunningNode.association` needs, beside GET[root], to retrieve into `inbox`."""
    classes = dict.fromkeys(uid for uid, _ in contexts if uid != GET[root])
    return {
        "ext_neg": [build_role(uid, scp_role=True) for uid in classes],
        "evt_handlers": [(evt.EVT_C_STORE, inbox.take)],
    }


@dataclass
class Retrieved:
    """The responses to a C-MOVE or C-GET: the final one, its identifier, and how many pended."""

    final: Dataset
    identifier: Dataset | None
    pending: list[Dataset]

    @property
    def status(self) -> int:
        """The final status."""
        return int(self.final.Status)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Completed, failed and warned sub-operations."""
        return (
            self.final.NumberOfCompletedSuboperations,
            self.final.NumberOfFailedSuboperations,
            self.final.NumberOfWarningSuboperations,
        )


def retrieved(responses: Iterable[tuple[Dataset, Dataset | None]]) -> Retrieved:
    """Wait for the final response of pynetdicom's send_c_move or send_c_get."""
    pending: list[Dataset] = []
    for status, data_set in responses:
        assert "Status" in status, "no response, or the association was aborted"
        if status.Status != 0xFF00:
            return Retrieved(status, data_set, pending)
        pending.append(status)
    raise AssertionError("no final response")


def found(node: RunningNode, study: str, series: str) -> list[str]:
    """The instances of a series that C-FIND finds, each once."""
    unique = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        rows, final = find(association, FIND["STUDY"], "IMAGE", SOPInstanceUID="", **unique)
    assert final.Status == 0x0000
    uids = sorted(str(row.SOPInstanceUID) for row in rows)
    assert len(set(uids)) == len(uids)
    return uids


def got(node: RunningNode, study: str) -> dict[str, bytes]:
    """The instances of a study as C-GET gives them."""
    inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with node.association(*contexts, **getting(inbox, contexts)) as association:
        query = identifier("STUDY", StudyInstanceUID=study)
        answer = retrieved(association.send_c_get(query, GET["STUDY"]))
    arrived = inbox.data_sets()
    assert (answer.status, answer.counts) == (0x0000, (len(arrived), 0, 0))
    return arrived
