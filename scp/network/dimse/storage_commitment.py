"""What both sides of the Storage Commitment service say (PS3.4 J.3)."""

from collections.abc import Iterable

from pydicom.tag import Tag

from scp.network.dimse import identifier
from scp.network.dimse.sop_classes import STORAGE_COMMITMENT, UNCOMPRESSED_SYNTAXES
from storage.diagnostics import DataSetError
from storage.dicom.data_sets import Element, read_references
from storage.journal import Reference
from storage.outbox import CommitmentReport

WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_STORAGE_COMMITMENT = 1  # Action Type ID, PS3.4 table J.3-1
# What an association of the node's own proposes, to ask or to report.
CONTEXT = (STORAGE_COMMITMENT, tuple(sorted(UNCOMPRESSED_SYNTAXES)))

_TRANSACTION_UID = Tag("TransactionUID")
_REFERENCED, _FAILED = Tag("ReferencedSOPSequence"), Tag("FailedSOPSequence")
_SOP_CLASS, _SOP_INSTANCE = Tag("ReferencedSOPClassUID"), Tag("ReferencedSOPInstanceUID")
_REASON = Tag("FailureReason")
_ASKED = {int(_REFERENCED): (int(_SOP_CLASS), int(_SOP_INSTANCE))}
_REPORTED = {
    int(_REFERENCED): (int(_SOP_INSTANCE),),
    int(_FAILED): (int(_SOP_INSTANCE), int(_REASON)),
}
_PROCESSING_FAILURE = 0x0110  # where an item gives no reason


def encode_action(transaction_uid: str, references: Iterable[Reference], syntax: str) -> bytes:
    """The Action Information of a request (PS3.4 table J.3-1)."""
    information = identifier.from_texts({_TRANSACTION_UID: transaction_uid})
    items = tuple(
        identifier.from_texts({_SOP_CLASS: sop_class, _SOP_INSTANCE: instance})
        for sop_class, instance in references
    )
    information[_REFERENCED] = Element("SQ", items=items)
    return identifier.encode(information, syntax)


def decode_action(data: bytes, syntax: str) -> tuple[str, tuple[Reference, ...]]:
    """The Transaction UID and the references of a request.

    Raises DataSetError where it lacks something, BudgetError where it is too much.
    """
    asked = read_references(data, syntax, _ASKED)
    references = asked.items.get(_REFERENCED, [])
    if not references:
        raise DataSetError("No item in the Referenced SOP Sequence")
    if not all(sop_class and instance for sop_class, instance in references):
        raise DataSetError("An item of the Referenced SOP Sequence lacks a UID")
    return asked.transaction_uid, tuple((sop_class, one) for sop_class, one in references)


def decode_event(data: bytes, syntax: str) -> CommitmentReport:
    """The Event Information of a report (PS3.4 table J.3-2).

    Raises DataSetError where it lacks something, BudgetError where it is too much.
    """
    said = read_references(data, syntax, _REPORTED)
    committed = frozenset(instance for (instance,) in said.items.get(_REFERENCED, ()))
    failures = {instance: _reason(reason) for instance, reason in said.items.get(_FAILED, ())}
    return CommitmentReport(said.transaction_uid, committed, failures)


def _reason(text: str) -> int:
    return int(text) if text.isdigit() else _PROCESSING_FAILURE
