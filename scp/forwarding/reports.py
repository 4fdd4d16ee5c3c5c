"""Reports of storage commitment that are made to the node: read, and noted (PS3.4 J.3.3)."""

import logging
from io import BytesIO

from pydicom.tag import BaseTag, Tag

from storage import extract
from storage.elements import Element, Elements, read
from storage.errors import DataSetError
from storage.forwarding import requests
from storage.forwarding.queue import Outbox
from storage.forwarding.requests import Report

logger = logging.getLogger(__name__)

# How often what is not committed to is sent again, and after how long.
MOST = 3
AGAIN_SECONDS = 30.0

_TRANSACTION_UID = Tag("TransactionUID")
_COMMITTED, _FAILED = Tag("ReferencedSOPSequence"), Tag("FailedSOPSequence")
_INSTANCE, _REASON = Tag("ReferencedSOPInstanceUID"), Tag("FailureReason")
_PROCESSING_FAILURE = 0x0110  # where an item gives no reason


def parse(data: bytes, transfer_syntax: str, charset: str) -> Report:
    """The Event Information (PS3.4 table J.3-2). Raises DataSetError."""
    data_set = extract.read_data_set(BytesIO(data), transfer_syntax)
    found = read(data_set, (_TRANSACTION_UID, _COMMITTED, _FAILED), charset)
    uid = _text(found, _TRANSACTION_UID)
    if not uid:
        raise DataSetError("No Transaction UID")
    committed = frozenset(_text(item, _INSTANCE) for item in _items(found, _COMMITTED))
    failures = {_text(item, _INSTANCE): _reason(item) for item in _items(found, _FAILED)}
    return Report(uid, committed, failures)


def note(outbox: Outbox, peer: str, said: Report) -> bool:
    """Write down what a peer reports; False where it was not asked. Raises ResourceError."""
    counts = requests.report(outbox, peer, said, MOST, AGAIN_SECONDS)
    if counts is None:
        return False
    log = logger.warning if counts[1] else logger.info
    log("commitment reported destination=%s transaction=%s committed=%d failed=%d",
        peer, said.uid, *counts)  # fmt: skip
    return True


def _items(found: Elements, tag: BaseTag) -> tuple[Elements, ...]:
    return tuple(found.get(tag, Element("SQ")).items or ())


def _text(found: Elements, tag: BaseTag) -> str:
    return found[tag].text if tag in found else ""


def _reason(item: Elements) -> int:
    text = _text(item, _REASON)
    return int(text) if text.isdigit() else _PROCESSING_FAILURE
