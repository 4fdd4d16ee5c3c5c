"""Nodes that instances are sent on to: they count, hang, refuse, and commit as a test says."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from support import CLIENT_SECONDS, CT, EXPLICIT, at_rest

COMMIT, COMMIT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MR = "1.2.840.10008.5.1.4.1.1.4"


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


class Receiver:
    """A storage SCP; up between `start` and `stop`, each time on the same port once it has one."""

    def __init__(self, title: str, *classes: str) -> None:
        self.title, self.port = title, 0
        self.classes = [*(classes or (CT, MR))]
        # SOP Instance UID and digest of the data set, as often as it was acknowledged.
        self.acknowledged: Counter[tuple[str, str]] = Counter()
        self.order: list[str] = []
        # The status for an instance, called before it is counted; may wait.
        self.answer: Callable[[str], int] = lambda uid: 0x0000
        # The answer to a request of storage commitment, and what is done about one that is taken.
        self.ask_status = 0x0000
        self.commit: Callable[[Association, Dataset], None] | None = None
        self.asked: list[Dataset] = []
        self._changed = threading.Condition()

    @property
    def peer(self) -> dict[str, Any]:
        """Its table under [peers]."""
        return {"host": "127.0.0.1", "port": self.port}

    def start(self) -> "Receiver":
        entity = AE(self.title)
        for sop_class in self.classes:
            entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take)]
        if self.commit:
            entity.add_supported_context(COMMIT, EXPLICIT)
            handlers.append((evt.EVT_N_ACTION, self._ask))
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers
        )
        self.port = self._server.server_address[1]
        return self

    def stop(self) -> None:
        self._server.shutdown()

    @contextmanager
    def up(self) -> Iterator["Receiver"]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _take(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = self.answer(uid)
        if status == 0x0000:
            with self._changed:
                self.acknowledged[uid, digest(event.request.DataSet.getvalue())] += 1
                self.order.append(uid)
                self._changed.notify_all()
        return status

    def _ask(self, event: evt.Event) -> tuple[int, None]:
        assert self.commit
        if self.ask_status != 0x0000:
            return self.ask_status, None
        with self._changed:
            self.asked.append(event.action_information)
            self._changed.notify_all()
        # Behind the response to the request.
        arguments = event.assoc, event.action_information
        threading.Thread(target=self.commit, args=arguments, daemon=True).start()
        return 0x0000, None

    def wait_for(self, count: int, seconds: float = CLIENT_SECONDS) -> None:
        """Wait until so many have been acknowledged."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.order) >= count, seconds)
            assert len(self.order) >= count, f"{self.title} has {len(self.order)} of {count}"

    def wait_for_instance(self, uid: str) -> None:
        """Wait until it was acknowledged."""
        with self._changed:
            assert self._changed.wait_for(lambda: uid in self.order, CLIENT_SECONDS), uid

    def wait_until_asked(self, count: int = 1) -> None:
        """Wait until it was asked to commit so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, CLIENT_SECONDS)

    def wait_until_asked_for(self, instances: int) -> None:
        """Wait until it was asked to commit to so many, in however many requests."""

        def is_so() -> bool:
            return sum(len(one.ReferencedSOPSequence) for one in self.asked) >= instances

        with self._changed:
            assert self._changed.wait_for(is_so, CLIENT_SECONDS)

    def has(self, data_sets: dict[str, bytes]) -> bool:
        """Whether it has just these, each once."""
        return self.acknowledged == {(uid, digest(data)): 1 for uid, data in data_sets.items()}


def outcome(request: Dataset, failed: dict[str, int]) -> tuple[int, Dataset]:
    """Event type and information of a report in which instances failed for a reason."""
    report = Dataset()
    report.TransactionUID = request.TransactionUID
    held, lost = [], []
    for item in request.ReferencedSOPSequence:
        uid = str(item.ReferencedSOPInstanceUID)
        if uid in failed:
            item.FailureReason = failed[uid]
        (lost if uid in failed else held).append(item)
    if held:
        report.ReferencedSOPSequence = held
    if lost:
        report.FailedSOPSequence = lost
    return (2 if lost else 1), report


def report_on(association: Association, request: Dataset, failed: dict[str, int]) -> int:
    """Report on an association; the status of the answer."""
    event_type, information = outcome(request, failed)
    with at_rest(association):  # pynetdicom sends this one without that
        status, _ = association.send_n_event_report(
            information, event_type, COMMIT, COMMIT_INSTANCE
        )
    return int(status.Status)


def call(title: str, port: int, called: str = "MINIPACS") -> Association:
    """An association that a node opens to report, as SCP (PS3.7 D.3.3.4)."""
    return AE(title).associate(
        "127.0.0.1", port, contexts=[build_context(COMMIT, EXPLICIT)], ae_title=called,
        ext_neg=[build_role(COMMIT, scp_role=True)],
    )  # fmt: skip
