"""An A-ASSOCIATE-RQ or -AC made fit to be decoded (PS3.8 9.3.2, 9.3.3).

pynetdicom's decoders raise at what PS3.8 9.3.1 has ignored, and at what equipment sends: items that
nobody knows, titles padded with NUL, names that are too long. Here that is left out or made right,
and told; what is left says what its sender meant. What proposes more than anybody needs is refused
before it is decoded, as that takes time.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_FIXED_BYTES = 74  # in front of the items
_HEAD = struct.Struct(">BxH")
_VERSION, _TITLES = slice(6, 8), {"called": slice(10, 26), "calling": slice(26, 42)}
_RESERVED_TITLES = slice(10, 42)  # of an A-ASSOCIATE-AC, "shall not be tested"
_APPLICATION_CONTEXT, _USER_INFORMATION = 0x10, 0x50
_CONTEXT_RQ, _CONTEXT_AC = 0x20, 0x21
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_CONTEXT_HEAD_BYTES = 4
_ACCEPTED = 0
# As many as there are IDs of a byte: even ones are against PS3.8 table 9-13, and are sent.
_MAX_CONTEXTS = 256
# Of all contexts, and of what is negotiated for each: each takes some time to be decoded.
_MAX_ITEMS = 10_000
# What is told of one PDU.
_MOST_TOLD = 5
_LONGEST_TOLD = 32

_UID = re.compile(rb"[!-~]{1,64}")
_NO_UID = b"0.0"  # in the place of what is none: nobody serves it
_IMPLICIT_VR = b"1.2.840.10008.1.2"
# What an AE title may not have (PS3.5 table 6.2-1, AE); pynetdicom takes it in no name either.
_NOT_IN_NAMES = re.compile(r"[^ -\[\]-~]")
_NOBODY = b"?".ljust(16)
# For who says nothing usable of the longest PDU that it takes: most take as much.
_USUAL_LENGTH = struct.pack(">I", 16384)
_LONGEST_NAME = 16


class ProposalError(Exception):
    """Bytes that are no A-ASSOCIATE, or propose more than any requestor needs."""


@dataclass
class AssociationPDU:
    """An A-ASSOCIATE-RQ or -AC as pynetdicom decodes it, and what it cannot say.

    `context_ids` are those of the presentation contexts in their order; a title that says nothing
    is in `blank`. `oddities` tell what was left out or made right.
    """

    data: bytearray
    context_ids: list[int] = field(default_factory=list)
    blank: set[str] = field(default_factory=set)
    oddities: list[str] = field(default_factory=list)

    def tell(self, words: str, value: bytes | memoryview = b"") -> None:
        """Note something odd, with the bytes that it is about."""
        if len(self.oddities) < _MOST_TOLD:
            shown = ascii(bytes(value[:_LONGEST_TOLD]))[1:] if len(value) else ""
            self.oddities.append(f"{words} {shown}".rstrip())
        elif len(self.oddities) == _MOST_TOLD:
            self.oddities.append("and more")


def read(pdu: memoryview, is_request: bool) -> AssociationPDU:
    """What an A-ASSOCIATE-RQ or -AC says. Raises ProposalError."""
    if len(pdu) < _FIXED_BYTES:
        raise ProposalError(f"an A-ASSOCIATE of {len(pdu)} bytes")
    _require_few_items(pdu)
    made = AssociationPDU(bytearray(pdu[:_FIXED_BYTES]))
    _read_version(made)
    if is_request:
        _read_titles(made)
    else:
        made.data[_RESERVED_TITLES] = b"-".ljust(32)
    has_user_information = False
    for kind, value in _items(pdu, _FIXED_BYTES, len(pdu), made):
        if kind == _APPLICATION_CONTEXT:
            made.data += _item(kind, _uid(made, value))
        elif kind == (_CONTEXT_RQ if is_request else _CONTEXT_AC):
            made.data += _context(made, kind, value)
        elif kind == _USER_INFORMATION and not has_user_information:
            has_user_information = True
            made.data += _user_information(made, value, is_request)
        else:
            made.tell(f"an item of type {kind:02X}H")
    if not has_user_information:
        made.tell("no user information")
        made.data += _item(_USER_INFORMATION, _item(0x51, _USUAL_LENGTH))
    struct.pack_into(">I", made.data, 2, len(made.data) - 6)
    return made


def _require_few_items(pdu: memoryview) -> None:
    inside = {_CONTEXT_RQ: 4 + _CONTEXT_HEAD_BYTES, _CONTEXT_AC: 8, _USER_INFORMATION: 4}
    items, start = 0, _FIXED_BYTES
    while start + _HEAD.size <= len(pdu):
        kind, length = _HEAD.unpack_from(pdu, start)
        end = min(start + _HEAD.size + length, len(pdu))
        items += 1
        at = start + inside.get(kind, length + _HEAD.size)
        while at + _HEAD.size <= end:
            at += _HEAD.size + _HEAD.unpack_from(pdu, at)[1]
            items += 1
        if items > _MAX_ITEMS:
            raise ProposalError(f"more than {_MAX_ITEMS} items")
        start = end


def _read_version(made: AssociationPDU) -> None:
    (version,) = struct.unpack(">H", made.data[_VERSION])
    if version != 1 and version & 1:  # only bit 0 is tested (PS3.8 table 9-11)
        made.tell(f"protocol version {version:04X}H")
        made.data[_VERSION] = b"\x00\x01"


def _read_titles(made: AssociationPDU) -> None:
    for name, place in _TITLES.items():
        raw = bytes(made.data[place])
        text = raw.partition(b"\0")[0].decode("latin-1").strip(" ")
        # Padded with what is no blank of ASCII too: tabs, line ends, no-break spaces.
        clean = _NOT_IN_NAMES.sub("?", text.strip())
        if b"\0" in raw or clean != text or not text:
            made.tell(f"{name} AE title", raw)
        if not text:
            made.blank.add(name)
        made.data[place] = clean.encode().ljust(16) if clean else _NOBODY


def _items(
    pdu: memoryview, start: int, end: int, made: AssociationPDU
) -> Iterator[tuple[int, memoryview]]:
    """The type and value of each item. Raises ProposalError where one is longer than there is."""
    while start < end:
        if not any(pdu[start:end]):
            made.tell(f"{end - start} bytes of zero behind the last item")
            return
        if start + _HEAD.size > end:
            raise ProposalError("an item without a length")
        kind, length = _HEAD.unpack_from(pdu, start)
        start += _HEAD.size
        if start + length > end:
            raise ProposalError(f"an item of type {kind:02X}H of more bytes than there are")
        yield kind, pdu[start : start + length]
        start += length


def _item(kind: int, value: bytes | bytearray | memoryview) -> bytes:
    return _HEAD.pack(kind, len(value)) + value


def _uid(made: AssociationPDU, value: memoryview) -> bytes:
    """A UID without what it is padded with; in the place of what is none, one that nobody has."""
    uid = bytes(value).strip(b"\0 ")
    if _UID.fullmatch(uid):
        return uid
    made.tell("for a UID", value)
    return _NO_UID


def _context(made: AssociationPDU, kind: int, value: memoryview) -> bytes:
    """A presentation context, with an ID that pynetdicom takes; nothing of one without any."""
    if len(value) < _CONTEXT_HEAD_BYTES:
        made.tell("a presentation context without an ID")
        return b""
    number, result = value[0], value[2] if kind == _CONTEXT_AC else _ACCEPTED
    if number in made.context_ids:
        made.tell(f"presentation context {number} twice")
        return b""
    abstract, syntaxes = b"", list[bytes]()
    # Not significant where it is rejected, and not tested then (PS3.8 table 9-18).
    end = len(value) if result == _ACCEPTED else _CONTEXT_HEAD_BYTES
    for inner, uid in _items(value, _CONTEXT_HEAD_BYTES, end, made):
        if inner == _ABSTRACT_SYNTAX and kind == _CONTEXT_RQ and not abstract:
            abstract = _uid(made, uid)
        elif inner == _TRANSFER_SYNTAX and (kind == _CONTEXT_RQ or not syntaxes):
            syntaxes += [found for found in [_uid(made, uid)] if found != _NO_UID]
        else:
            made.tell(f"an item of type {inner:02X}H in presentation context {number}")
    if kind == _CONTEXT_AC and not syntaxes:
        result, syntaxes = result or 4, [_IMPLICIT_VR]
    if not number % 2:
        made.tell(f"presentation context {number}, of an even number")
    made.context_ids.append(number)
    body = bytes([1, 0, result, 0])
    if kind == _CONTEXT_RQ:
        body += _item(_ABSTRACT_SYNTAX, abstract or _NO_UID)
    return _item(kind, body + b"".join(_item(_TRANSFER_SYNTAX, one) for one in syntaxes))


# ---- user information (PS3.7 annex D.3.3)


def _user_information(made: AssociationPDU, value: memoryview, is_request: bool) -> bytes:
    parts: dict[int, list[bytes]] = {}
    for kind, inner in _items(value, 0, len(value), made):
        reads = _SUB_ITEMS.get(kind)
        found = reads(made, inner) if reads else None
        if found is None:
            made.tell(f"user information of type {kind:02X}H", inner)
        else:
            parts.setdefault(kind, []).append(found)
    parts.setdefault(0x51, [_USUAL_LENGTH])
    if is_request and 0x54 in parts:
        parts[0x54] = _proposed_roles(made, parts[0x54])
    several = (0x54, 0x56, 0x57)  # one for each SOP class
    body = (
        _item(kind, one)
        for kind, ones in parts.items()
        for one in (ones if kind in several else ones[:1])
    )
    return _item(_USER_INFORMATION, b"".join(body))


def _proposed_roles(made: AssociationPDU, selections: list[bytes]) -> list[bytes]:
    """One role selection for each SOP class, with what is proposed in any; none of no role.

    Neither role leaves nothing to accept, so that it is as if none was proposed: the default
    roles stay (PS3.7 D.3.3.4).
    """
    proposed: dict[bytes, tuple[int, int]] = {}
    for selection in selections:
        uid, (scu, scp) = selection[:-2], selection[-2:]
        if uid in proposed:
            made.tell("role selection twice for", uid[2:])
        before = proposed.get(uid, (0, 0))
        proposed[uid] = before[0] | scu, before[1] | scp
    for uid in [uid for uid, roles in proposed.items() if not any(roles)]:
        made.tell("role selection without a role for", uid[2:])
        del proposed[uid]
    return [uid + bytes(roles) for uid, roles in proposed.items()]


# What is left of a sub-item; None: nothing that can be used.
_Reads = Callable[[AssociationPDU, memoryview], bytes | None]


def _four_bytes(made: AssociationPDU, value: memoryview) -> bytes | None:
    return bytes(value) if len(value) == 4 else None


def _class_uid(made: AssociationPDU, value: memoryview) -> bytes | None:
    uid = bytes(value).strip(b"\0 ")
    return uid if _UID.fullmatch(uid) else None


def _version_name(made: AssociationPDU, value: memoryview) -> bytes | None:
    """At most 16 characters of ASCII (PS3.7 table D.3-3)."""
    text = bytes(value).partition(b"\0")[0].decode("latin-1")
    name = _NOT_IN_NAMES.sub("?", text).strip()[:_LONGEST_NAME]
    if name.encode() != bytes(value).strip():
        made.tell("implementation version name", value)
    return name.encode() or None


def _role(made: AssociationPDU, value: memoryview) -> bytes | None:
    split = _after_uid(value)
    if split is None or len(split[1]) != 2 or max(split[1]) > 1:
        return None
    uid, roles = split
    return struct.pack(">H", len(uid)) + uid + roles


def _extended(made: AssociationPDU, value: memoryview) -> bytes | None:
    split = _after_uid(value)
    return None if split is None else struct.pack(">H", len(split[0])) + split[0] + split[1]


def _common_extended(made: AssociationPDU, value: memoryview) -> bytes | None:
    """A SOP class, its service class and the related general SOP classes (table D.3-12)."""
    first = _after_uid(value)
    second = _after_uid(memoryview(first[1])) if first else None
    if not first or not second or len(second[1]) < 2:
        return None
    (length,) = struct.unpack_from(">H", second[1])
    rest, related = second[1][2 : 2 + length], b""
    if len(rest) != length:
        return None
    while rest:
        split = _after_uid(memoryview(rest))
        if split is None:
            return None
        related += struct.pack(">H", len(split[0])) + split[0]
        rest = split[1]
    uids = b"".join(struct.pack(">H", len(uid)) + uid for uid in (first[0], second[0]))
    return uids + struct.pack(">H", len(related)) + related


def _identity(made: AssociationPDU, value: memoryview) -> bytes | None:
    """A type that is known, and two fields of just the length that is there (table D.3-14)."""
    if len(value) < 6 or value[0] not in range(1, 6):
        return None
    (first,) = struct.unpack_from(">H", value, 2)
    if len(value) < 6 + first:
        return None
    (second,) = struct.unpack_from(">H", value, 4 + first)
    return bytes(value) if len(value) == 6 + first + second else None


def _identity_response(made: AssociationPDU, value: memoryview) -> bytes | None:
    is_whole = len(value) >= 2 and struct.unpack_from(">H", value)[0] == len(value) - 2
    return bytes(value) if is_whole else None


def _after_uid(value: memoryview) -> tuple[bytes, bytes] | None:
    """A UID behind its length, and the rest; None where there is none."""
    if len(value) < 2:
        return None
    (length,) = struct.unpack_from(">H", value)
    uid = bytes(value[2 : 2 + length])
    stripped = uid.strip(b"\0 ")
    if len(uid) != length or not _UID.fullmatch(stripped):
        return None
    return stripped, bytes(value[2 + length :])


_SUB_ITEMS: dict[int, _Reads] = {
    0x51: _four_bytes,  # maximum length
    0x52: _class_uid,  # implementation class UID
    0x53: _four_bytes,  # asynchronous operations window
    0x54: _role,
    0x55: _version_name,
    0x56: _extended,
    0x57: _common_extended,
    0x58: _identity,
    0x59: _identity_response,
}
