"""An AE that asks for storage commitment, and is told (PS3.4 annex J)."""

import queue
import threading
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from support.node import RunningNode

COMMIT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
HELD = "1.2.3.1"
SECONDS = 60
Reference = tuple[str, str]


class Requestor:
    """An AE that asks for commitment, and takes reports on associations of either side.

    With `refuses` it answers each report on an association of its own with a failure.
    """

    def __init__(self, port: int = 0) -> None:
        self.refuses = False
        self._refused = threading.Semaphore(0)
        self.reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self._take)]
        entity = AE("MODALITY")
        entity.add_supported_context(COMMIT, scu_role=True, scp_role=True)
        self.server = entity.start_server(("127.0.0.1", port), False, evt_handlers=self.handlers)
        self.port = int(self.server.socket.getsockname()[1])

    def _take(self, event: Any) -> tuple[int, None]:
        if self.refuses and event.assoc.is_requestor:
            self._refused.release()
            return 0x0110, None
        self.reports.put((event.event_type, event.event_information))
        return 0x0000, None

    def ask(
        self,
        node: RunningNode,
        transaction: str,
        references: list[Reference],
        keep: bool = False,
        **request: Any,
    ) -> Dataset:
        """The status of the N-ACTION; with `keep` a report is awaited on the association."""
        contexts = [build_context(COMMIT, EXPLICIT)]
        association = AE("MODALITY").associate(
            "127.0.0.1", node.port, contexts=contexts, ae_title=node.title,
            evt_handlers=self.handlers,
        )  # fmt: skip
        assert association.is_established
        information = Dataset()
        if transaction:
            information.TransactionUID = transaction
        information.ReferencedSOPSequence = [_reference(*each) for each in references]
        status, _ = association.send_n_action(
            information, request.get("action", 1), COMMIT, request.get("instance", INSTANCE)
        )
        if keep:
            node.wait_for_log(f"transaction={transaction}: reported on the same association")
        if self.refuses:  # its thread would answer while this one releases the association
            assert self._refused.acquire(timeout=SECONDS)
        association.release()
        return status

    def report(self) -> tuple[int, str, set[Reference], dict[Reference, int]]:
        """The next report: event type, transaction, what is committed to, and what is not."""
        event_type, information = self.reports.get(timeout=SECONDS)
        held = {key(item) for item in information.get("ReferencedSOPSequence", [])}
        failed = {key(i): i.FailureReason for i in information.get("FailedSOPSequence", [])}
        return event_type, information.TransactionUID, held, failed


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def key(item: Dataset) -> Reference:
    return str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)
