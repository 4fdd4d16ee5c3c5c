"""How much an A-ASSOCIATE-RQ may propose, looked at before it is decoded (PS3.8 9.3.2)."""

import struct
from collections.abc import Iterator

_FIRST_ITEM = 74
_HEAD = struct.Struct(">BxH")
_PRESENTATION_CONTEXT, _USER_INFORMATION = 0x20, 0x50
# Where the items in these begin, from their own.
_INSIDE = {_PRESENTATION_CONTEXT: 8, _USER_INFORMATION: 4}
# As many as there are odd IDs of a byte (PS3.8 table 9-13).
_MAX_CONTEXTS = 128
# Of all contexts, and of what is negotiated for each: each takes some time to be decoded.
_MAX_ITEMS = 10_000


class ProposalError(Exception):
    """An A-ASSOCIATE-RQ proposes more than any requestor needs."""


def check(pdu: memoryview) -> None:
    """Raise ProposalError where an A-ASSOCIATE-RQ is of too many parts to be decoded."""
    contexts = items = 0
    for kind, start, end in _items(pdu, _FIRST_ITEM, len(pdu)):
        contexts += kind == _PRESENTATION_CONTEXT
        items += 1
        if kind in _INSIDE:
            items += sum(1 for _ in _items(pdu, start + _INSIDE[kind], end))
        if contexts > _MAX_CONTEXTS:
            raise ProposalError(f"more than {_MAX_CONTEXTS} presentation contexts")
        if items > _MAX_ITEMS:
            raise ProposalError(f"more than {_MAX_ITEMS} items")


def _items(pdu: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The kind of each item, where it begins and where it ends."""
    while start + _HEAD.size <= end:
        kind, length = _HEAD.unpack_from(pdu, start)
        following = min(start + _HEAD.size + length, end)
        yield kind, start, following
        start = following
