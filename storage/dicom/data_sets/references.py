"""The data sets of storage commitment: a transaction, and instances by the hundred thousand.

PS3.4 tables J.3-1 and J.3-2. An ordinary one is scanned; of any other pydicom reads as many
items as there is a budget for.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from storage.diagnostics import DataSetError
from storage.dicom.data_sets import elements
from storage.dicom.data_sets.budget import MESSAGE, ReadBudget
from storage.dicom.data_sets.header_scanner import UnusualError, Wanted, scan
from storage.dicom.data_sets.inflating import inflated
from storage.dicom.data_sets.reader import DEFLATED, read_data_set
from storage.dicom.values import charsets, decoded, vr_of_tag

TRANSACTION_UID = int(Tag("TransactionUID"))
_MAX_UID = 64
_ASCII = charsets.charset("")
_PLAIN = {"1.2.840.10008.1.2": True, ExplicitVRLittleEndian: False}

# Of each sequence, the values of each item: those asked for, in their order, empty where absent.
Items = Mapping[int, list[tuple[str, ...]]]


@dataclass(frozen=True)
class References:
    """What a request for commitment, or a report on one, names."""

    transaction_uid: str
    items: Items


def read_references(
    data: bytes, transfer_syntax: str, sequences: Mapping[int, Sequence[int]]
) -> References:
    """The Transaction UID, and of the items of each sequence the elements asked for.

    Raises DataSetError where it cannot be read, lacks its Transaction UID, or has a UID that is
    too long to be one; BudgetError where it is too much.
    """
    if transfer_syntax in DEFLATED:
        data, transfer_syntax = inflated(data, MESSAGE.value_bytes), ExplicitVRLittleEndian
    found = _scanned(data, transfer_syntax, sequences)
    if found is None:
        found = _read(data, transfer_syntax, sequences)
    if not found.transaction_uid:
        raise DataSetError("No Transaction UID")
    if len(found.transaction_uid) > _MAX_UID:
        raise DataSetError(f"Transaction UID is longer than {_MAX_UID} characters")
    texts = (text for items in found.items.values() for item in items for text in item)
    if max(map(len, texts), default=0) > _MAX_UID:
        raise DataSetError(f"A UID of an item is longer than {_MAX_UID} characters")
    return found


def _scanned(
    data: bytes, transfer_syntax: str, sequences: Mapping[int, Sequence[int]]
) -> References | None:
    """What an ordinary data set names; None where it is none."""
    if transfer_syntax not in _PLAIN:
        return None
    wanted: Wanted = {TRANSACTION_UID: None} | {
        tag: dict.fromkeys(inner) for tag, inner in sequences.items()
    }
    with suppress(UnusualError):
        found = scan(data, _PLAIN[transfer_syntax], wanted, max(wanted), most_items=MANY)
        # Most instances are of one SOP class, which is kept once.
        kept: dict[tuple[int, bytes], str] = {}

        def text(tag: int, value: bytes) -> str:
            if (tag, value) not in kept:
                if len(kept) > _KEPT:
                    kept.clear()
                kept[tag, value] = decoded(vr_of_tag(tag), value, _ASCII)
            return kept[tag, value]

        items = {
            tag: [
                tuple(text(one, item[one].value) if one in item else "" for one in inner)
                for item in found[tag].items
            ]
            for tag, inner in sequences.items()
            if tag in found
        }
        uid = found.get(TRANSACTION_UID)
        return References(text(TRANSACTION_UID, uid.value) if uid else "", items)
    return None


# Items of all sequences; more go to the reader that counts them.
MANY = 100_000
_KEPT = 64


def _read(data: bytes, transfer_syntax: str, sequences: Mapping[int, Sequence[int]]) -> References:
    tags: list[BaseTag] = [Tag(TRANSACTION_UID), *map(Tag, sequences)]
    held = read_data_set(BytesIO(data), transfer_syntax, list(tags), max(tags), MESSAGE)
    found = elements.read(held, tags, "", budget=ReadBudget(MESSAGE))
    absent = elements.Element("UN")
    items = {
        tag: [
            tuple(item.get(Tag(one), absent).text for one in inner)
            for item in found.get(Tag(tag), absent).items or ()
        ]
        for tag, inner in sequences.items()
    }
    return References(found.get(Tag(TRANSACTION_UID), absent).text, items)
