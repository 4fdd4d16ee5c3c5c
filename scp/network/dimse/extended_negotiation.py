"""SOP Class Extended Negotiation: what is agreed on about queries and retrieves (PS3.4 C.5)."""

from pydicom.uid import UID
from pynetdicom.association import Association

from scp.config import Service
from scp.network.dimse.sop_classes import QUERY_RETRIEVE
from storage import Options

# The bytes of the Service-class-application-information: what each asks for, and whether it is
# supported here (PS3.4 tables C.5-1 and C.5-3).
_FIND: tuple[tuple[str, bool], ...] = (
    ("relational", True),
    ("date_time", True),
    ("fuzzy_names", True),
    ("timezone query adjustment", False),
    ("enhanced multi-frame image conversion", False),
    ("empty_value", True),
    ("multiple_values", True),
)
_RETRIEVE: tuple[tuple[str, bool], ...] = (
    ("relational", True),
    ("enhanced multi-frame image conversion", False),
)
SUPPORT = {Service.FIND: _FIND, Service.MOVE: _RETRIEVE, Service.GET: _RETRIEVE}


def answer(sop_class: str, offered: bytes) -> bytes | None:
    """The acceptor's bytes for the requestor's, as far as these go; None for no answer."""
    if sop_class not in QUERY_RETRIEVE:
        return None
    support = SUPPORT[QUERY_RETRIEVE[sop_class][1]]
    return bytes(
        int(asked == 1 and supported)
        for asked, (_, supported) in zip(offered, support, strict=False)
    )


def options_of(association: Association, sop_class: str) -> Options:
    """What was agreed on for a SOP class of an established association."""
    offered = association.requestor.sop_class_extended.get(UID(sop_class))
    agreed = answer(sop_class, offered or b"")
    if not agreed:
        return Options()
    support = SUPPORT[QUERY_RETRIEVE[sop_class][1]]
    names = {name for (name, _), byte in zip(support, agreed, strict=False) if byte}
    known = Options.__dataclass_fields__
    return Options(**{name: True for name in names if name in known})
