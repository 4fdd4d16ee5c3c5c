"""Structures that are not as PS3.5 7 has them, and whose meaning is plain: converted as meant.

Writers in the field leave out the ends of items, put them where there is none, or write no VR.
"""

import struct
from pathlib import Path

import pytest
from support.data.images import BIG_ENDIAN, EXPLICIT, IMPLICIT, converted, store_in
from support.network.raw import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, ex, im

SEQUENCE, INSTANCE, NAME, PRIVATE = 0x00081140, 0x00081155, 0x00100010, 0x00091003
NAMED = ex(NAME, "PN", b"Case^One")
REFERENCE = ex(INSTANCE, "UI", b"1.2.")
ITEM_OF_LENGTH, OPEN_ITEM = im(ITEM, REFERENCE), im(ITEM, REFERENCE, UNDEFINED)


def sequence(value: bytes, length: int | None = UNDEFINED) -> bytes:
    return ex(SEQUENCE, "SQ", value, length)


def other_vr(vr: bytes, value: bytes, is_long: bool = False) -> bytes:
    form = "<HH2s2xI" if is_long else "<HH2sH"
    return struct.pack(form, PRIVATE >> 16, PRIVATE & 0xFFFF, vr, len(value)) + value


WHOLE = im(INSTANCE, b"1.2.")
OF_LENGTH = im(SEQUENCE, im(ITEM, WHOLE) + SEQUENCE_END, UNDEFINED)
OPEN = im(SEQUENCE, im(ITEM, WHOLE, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
DELIMITED = im(SEQUENCE, im(ITEM, WHOLE))
UNKNOWN = im(PRIVATE, b"abcd")

# Of each what lies in front of the name, and what that is in Implicit VR.
STRUCTURES = {
    "an item without its end": (sequence(OPEN_ITEM + SEQUENCE_END), OPEN),
    "an item's end behind one of told length": (
        sequence(ITEM_OF_LENGTH + ITEM_END + SEQUENCE_END), OF_LENGTH,
    ),
    "a sequence's end in one of told length": (
        sequence(ITEM_OF_LENGTH + SEQUENCE_END, None), DELIMITED,
    ),
    "both ends in a sequence of told length": (
        sequence(ITEM_OF_LENGTH + ITEM_END + SEQUENCE_END, None), DELIMITED,
    ),
    "both ends behind a sequence of told length": (
        sequence(ITEM_OF_LENGTH, None) + ITEM_END + SEQUENCE_END, DELIMITED,
    ),
    "a sequence's end between its items": (
        sequence(OPEN_ITEM + ITEM_END + SEQUENCE_END + OPEN_ITEM + ITEM_END + SEQUENCE_END),
        im(SEQUENCE, (im(ITEM, WHOLE, UNDEFINED) + ITEM_END) * 2 + SEQUENCE_END, UNDEFINED),
    ),
    "an item of nothing": (im(ITEM, b""), b""),
    "an end twice": (sequence(OPEN_ITEM + ITEM_END * 2 + SEQUENCE_END * 2), OPEN),
    "an item's end of nothing": (ITEM_END, b""),
    "a sequence's end of nothing": (SEQUENCE_END, b""),
    "an item's end with a length of FFFFFFFF": (
        sequence(OPEN_ITEM + im(0xFFFEE00D, b"", UNDEFINED) + SEQUENCE_END), OPEN,
    ),
    "no VR, by NULs": (other_vr(b"\0\0", b"abcd"), UNKNOWN),
    "no VR, by blanks": (other_vr(b"  ", b"abcd"), UNKNOWN),
    "an empty value of no VR": (other_vr(b"\0\0", b""), im(PRIVATE, b"")),
    "no VR, in an item": (
        sequence(im(ITEM, other_vr(b"\0\0", b"abcd")), None), im(SEQUENCE, im(ITEM, UNKNOWN)),
    ),
    "an element in Implicit VR": (UNKNOWN, UNKNOWN),
    "one of 64 KiB in Implicit VR": (im(PRIVATE, bytes(1 << 16)), im(PRIVATE, bytes(1 << 16))),
    "?? and a length of 32 bits": (other_vr(b"??", b"abcd", is_long=True), UNKNOWN),
    "a VR that is none": (other_vr(b"ZZ", b"abcd"), UNKNOWN),
    "a VR to come, of a long form": (other_vr(b"ZZ", b"abcd", is_long=True), UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("what", STRUCTURES)
def test_what_is_meant_is_converted(what: str, tmp_path: Path) -> None:
    stored = store_in(tmp_path)
    front, implicit = STRUCTURES[what]
    first = ex(0x00080016, "UI", b"1.2.")
    path = stored(first + front + NAMED, EXPLICIT)
    expected = im(0x00080016, b"1.2.") + implicit + im(NAME, b"Case^One")
    assert converted(path, IMPLICIT) == expected
    big = converted(path, BIG_ENDIAN)
    assert converted(stored(big, BIG_ENDIAN), IMPLICIT) == expected


def test_the_same_at_the_end_of_a_data_set(tmp_path: Path) -> None:
    stored = store_in(tmp_path)
    for front, implicit in STRUCTURES.values():
        path = stored(NAMED + front, EXPLICIT)
        assert converted(path, IMPLICIT) == im(NAME, b"Case^One") + implicit
