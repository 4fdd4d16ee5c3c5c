"""Reports of storage commitment that are made to the node: read, and noted (PS3.4 J.3.3)."""

import logging

from pydicom.tag import Tag

from storage.forwarding import requests
from storage.forwarding.queue import Outbox
from storage.forwarding.requests import Report
from storage.references import read_references

logger = logging.getLogger(__name__)

# How often what is not committed to is sent again, and after how long.
MOST = 3
AGAIN_SECONDS = 30.0

_COMMITTED, _FAILED = int(Tag("ReferencedSOPSequence")), int(Tag("FailedSOPSequence"))
_INSTANCE, _REASON = int(Tag("ReferencedSOPInstanceUID")), int(Tag("FailureReason"))
_SEQUENCES = {_COMMITTED: (_INSTANCE,), _FAILED: (_INSTANCE, _REASON)}
_PROCESSING_FAILURE = 0x0110  # where an item gives no reason


def parse(data: bytes, transfer_syntax: str) -> Report:
    """The Event Information (PS3.4 table J.3-2). Raises DataSetError."""
    said = read_references(data, transfer_syntax, _SEQUENCES)
    committed = frozenset(instance for (instance,) in said.items.get(_COMMITTED, ()))
    failures = {instance: _reason(reason) for instance, reason in said.items.get(_FAILED, ())}
    return Report(said.transaction_uid, committed, failures)


def note(outbox: Outbox, peer: str, said: Report) -> bool:
    """Write down what a peer reports; False where it was not asked. Raises ResourceError."""
    counts = requests.report(outbox, peer, said, MOST, AGAIN_SECONDS)
    if counts is None:
        return False
    log = logger.warning if counts[1] else logger.info
    log("commitment reported destination=%s transaction=%s committed=%d failed=%d",
        peer, said.uid, *counts)  # fmt: skip
    return True


def _reason(text: str) -> int:
    return int(text) if text.isdigit() else _PROCESSING_FAILURE
