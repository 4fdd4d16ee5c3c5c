"""Data sets that are wrong in one way or another, as bytes."""

import struct
from collections.abc import Callable, Sequence
from random import Random

from support.fuzzing.mutations import NUMBERS, havoc, shorter, wrong_length
from support.network.raw import (
    ITEM,
    ITEM_END,
    LONG_FORM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    encapsulated,
    ex,
    im,
)

UID_TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
CHARSET = 0x00080005
# Sequences, in the main data set and in the dictionary of nobody.
_SEQUENCES = (0x00081140, 0x00400275, 0x00091010, 0x00321064)
TEXTS = (
    b"", b" ", b"*", b"?", b"**", b"*?*" * 20, b"%", b"_", b"'", b'""', b"\\", b"\\\\\\", b"\0",
    b"a\0b", b"\x1b$B\x1b", b"\xff\xfe", b"\xc3(", b"-", b"--", b"20240101-", b"-20240101",
    b"20241399", b"00000000", b"99999999-00000000", b"1e400", b"NaN", b"-0", b"9" * 400, b"^=^=^",
    b"=" * 40, b"^" * 1000, b"Doe^Jane", b"[a-z]*", b"A" * 64, b"A" * 65, b"A" * 5000, b"\n\r\t",
    b"CT\\MR\\" * 500, b"../../x", b"..", b"/etc/passwd", b"CON", b"1.2.3", b"\x7f\x80",
)  # fmt: skip
UIDS = (
    b"../../x", b"..", b".", b"/", b"/tmp/x", b"1/2", b"1.2\\1.3", b"", b"1.", b".1", b"1..2",
    b"0" * 64, b"1" * 65, b"1." * 5000 + b"1", b"1.2\0.3", b"\0", b"1.2.*", b"*", b"a.b", b"1.2 ",
    b" 1.2", b"01.02", b"1.2.840.113619.2.30.1", b"1.2.3", b"-1", b"\xff", b"1.2\n3", b"con",
)  # fmt: skip
CHARSETS = (
    b"ISO_IR 192", b"ISO_IR 100", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"GB18030", b"GBK",
    b"ISO_IR 13", b"utf-8", b"rot13", b"punycode", b"idna", b"\\" * 30, b"\\\\ISO_IR 6", b"\xff",
    b"ISO 2022 IR 6\\ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159", b"ISO_IR 192\\GB18030",
)  # fmt: skip


class Encoding:
    """How elements are written: VRs or none, and in which order of bytes."""

    def __init__(self, implicit: bool = False, order: str = "<") -> None:
        self.implicit, self.order = implicit, order

    def element(self, tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
        """An element, its length as far as that can be said."""
        if self.implicit or tag >> 16 == 0xFFFE:
            return im(tag, value, length, self.order)
        size = len(value) if length is None else length
        short = vr not in LONG_FORM
        return ex(tag, vr, value, size & 0xFFFF if short else size, self.order)


# ---- the elements of a data set: (where it begins, its tag, where its length is, of what size,
# where its value begins, where it ends); of sequences and what is not understood, no inside

Place = tuple[int, int, int, int, int, int]


def places(data: bytes, encoding: Encoding) -> list[Place]:
    """The elements, up to the first that cannot be followed."""
    found: list[Place] = []
    at, order = 0, encoding.order
    while at + 8 <= len(data):
        group, number = struct.unpack_from(order + "HH", data, at)
        if encoding.implicit or group == 0xFFFE:
            where, size = at + 4, 4
        elif data[at + 4 : at + 6].decode("latin-1") in LONG_FORM:
            where, size = at + 8, 4
        else:
            where, size = at + 6, 2
        if where + size > len(data):
            break
        length = struct.unpack_from(order + {2: "H", 4: "I"}[size], data, where)[0]
        begin = where + size
        # Into what has items: their heads come as elements too.
        open_ended = length == UNDEFINED or group == 0xFFFE
        end = begin if open_ended else begin + length
        if end > len(data):
            break
        found.append((at, group << 16 | number, where, size, begin, end))
        at = end
    return found


def place_for(found: Sequence[Place], tag: int, data: bytes) -> int:
    """Where an element of `tag` belongs."""
    return next((at for at, there, *_ in found if there >= tag), len(data))


Change = Callable[[Random, bytes, Encoding], bytes]


def _havoc(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    return havoc(chance, data)


def _head_havoc(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    """Where the attributes of the index lie."""
    return havoc(chance, data[:600]) + data[600:]


def _shorter(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    return shorter(chance, data)


def _longer(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    return data + chance.choice((b"\0", bytes(8), data[:100], chance.randbytes(50), data))


def _length(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    found = places(data, encoding)
    if not found:
        return data
    _, _, where, size, _, _ = chance.choice(found)
    return wrong_length(chance, data, where, size, encoding.order)


def _vr(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    found = [place for place in places(data, encoding) if place[1] >> 16 != 0xFFFE]
    if not found or encoding.implicit:
        return data
    at = chance.choice(found)[0] + 4
    vrs = (b"SQ", b"UN", b"OB", b"UI", b"PN", b"US", b"FD", b"AT", b"zz", b"\0\0", b"??", b"UC")
    return data[:at] + chance.choice(vrs) + data[at + 2 :]


def _elements(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    """One left out, doubled, or in another place."""
    found = places(data, encoding)
    if len(found) < 2:
        return data
    at, _, _, _, _, end = chance.choice(found)
    to = chance.choice(found)[0]
    whole = data[at:end]
    rest = data[:at] + data[end:]
    return chance.choice((rest, data[:at] + whole + data[at:], rest[:to] + whole + rest[to:]))


def _values(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    """Other values, padded or of an odd length; UIDs above all."""
    for _ in range(chance.choice((1, 1, 3))):
        found = [place for place in places(data, encoding) if place[1] >> 16 != 0xFFFE]
        uids = [place for place in found if place[1] in UID_TAGS]
        chosen = uids if uids and chance.random() < 0.3 else found
        if not chosen:
            return data
        at, tag, *_, end = chance.choice(chosen)
        value = chance.choice(UIDS if tag in UID_TAGS else TEXTS)
        if len(value) % 2 and chance.random() < 0.8:
            value += b"\0" if tag in UID_TAGS else b" "
        vr = data[at + 4 : at + 6].decode("latin-1")
        known = vr if not encoding.implicit and vr.isalpha() and vr.isascii() else "UN"
        data = data[:at] + encoding.element(tag, known, value) + data[end:]
    return data


def insert(data: bytes, encoding: Encoding, tag: int, whole: bytes) -> bytes:
    """Put an element where it belongs by its tag."""
    at = place_for(places(data, encoding), tag, data)
    return data[:at] + whole + data[at:]


def nested(depth: int, tag: int, encoding: Encoding, ended: bool = True) -> bytes:
    """Sequences in sequences, of undefined length."""
    item = encoding.element(ITEM, "", b"", UNDEFINED)
    end = (ITEM_END + SEQUENCE_END) * depth if ended else b""
    return (encoding.element(tag, "SQ", b"", UNDEFINED) + item) * depth + end


def nested_defined(depth: int, tag: int, encoding: Encoding) -> bytes:
    """Sequences in sequences, each with its length."""
    held = b""
    for _ in range(depth):
        held = encoding.element(tag, "SQ", encoding.element(ITEM, "", held))
    return held


def _nested(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    tag, depth = chance.choice(_SEQUENCES), chance.choice((1, 15, 17, 63, 65, 300, 1000, 5000))
    if chance.random() < 0.3:
        return insert(data, encoding, tag, nested_defined(min(depth, 1000), tag, encoding))
    return insert(data, encoding, tag, nested(depth, tag, encoding, chance.random() < 0.8))


def _charset(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    held = data
    for at, tag, *_, end in places(data, encoding):
        if tag == CHARSET:
            held = data[:at] + data[end:]
    value = chance.choice(CHARSETS)
    element = encoding.element(CHARSET, "CS", value + b" " * (len(value) % 2))
    if chance.random() < 0.5:
        name = encoding.element(0x0010000F, "LO", b"\x1b$B\x30\xff ")
        held = insert(held, encoding, 0x00100010, name)
    return insert(held, encoding, CHARSET, element)


def _fragments(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    """Pixel Data as fragments that are none, or not these."""
    found = [place for place in places(data, encoding) if place[1] == PIXEL_DATA]
    held = data[: found[0][0]] if found else data
    old = data[found[0][4] :] if found else b"\0" * 20
    pieces = (old, havoc(chance, old), b"", b"\0", shorter(chance, old), chance.randbytes(100))
    fragments = [chance.choice(pieces) for _ in range(chance.choice((0, 1, 2, 50)))]
    table = chance.choice((b"", bytes(4), b"\xff" * 4, struct.pack("<II", 0, 999999), b"abc"))
    whole = encapsulated(fragments, table)
    cut = chance.random() < 0.3
    return held + (whole[:-8] if cut else whole)


def _image(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    """Numbers of the image's shape, which a decoder believes."""
    shape = {0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280103}
    for _, tag, _, _, begin, end in places(data, encoding):
        if tag in shape and end - begin == 2 and chance.random() < 0.4:
            number = chance.choice(NUMBERS) & 0xFFFF
            data = data[:begin] + struct.pack(encoding.order + "H", number) + data[end:]
    return data


def _many(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    tags = range(0x00091000, 0x00091000 + chance.choice((100, 5000)))
    extra = b"".join(encoding.element(tag, "LO", b"x ") for tag in tags)
    return insert(data, encoding, 0x00090000, extra)


def _nothing(chance: Random, data: bytes, encoding: Encoding) -> bytes:
    return chance.choice((b"", b"\0", bytes(1000), chance.randbytes(500)))


CHANGES: tuple[Change, ...] = (
    _havoc, _head_havoc, _head_havoc, _shorter, _longer, _length, _length, _vr, _elements, _values,
    _values, _values, _nested, _charset, _fragments, _fragments, _image, _image, _many, _nothing,
)  # fmt: skip


def mutate(chance: Random, data: bytes, encoding: Encoding) -> tuple[str, bytes]:
    """A data set with one or more things wrong, and which."""
    names = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(CHANGES)
        data = change(chance, data, encoding)
        names.append(change.__name__.strip("_"))
    return "+".join(names), data
