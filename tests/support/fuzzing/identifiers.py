"""Identifiers with any keys, and any values."""

from collections.abc import Mapping, Sequence
from random import Random

from storage.dicom.values.attributes import TABLE
from support.fuzzing.data_sets import TEXTS, UIDS, Encoding, nested
from support.network.raw import ITEM

LEVEL = 0x00080052
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_NOT_LEVELS = ("", "FRAME", "study", "IMAGE\\STUDY")
_UNIQUE = (0x0020000D, 0x0020000E, 0x00080018)
# Of sequences, groups' lengths, private creators, bulk data, and what no column serves.
OTHER_TAGS = (0x00090010, 0x00091001, 0x00101001, 0x00081115, 0x00080061, 0x00400275, 0x7FE00010,
               0x00280010, 0x00080000, 0x00080005, 0x00321064)  # fmt: skip
OTHER_VRS = ("LO", "UI", "SQ", "UN", "OB", "US", "DS", "PN", "DA", "UT", "AT")
# (Study, Series and SOP Instance UID)
Held = Sequence[tuple[str, str, str]]


def plain(chance: Random, encoding: Encoding, held: Held) -> bytes:
    """An identifier as it should be, of something that is held."""
    depth = chance.choice((0, 0, 1, 2))
    uids = zip(_UNIQUE[: depth + 1], chance.choice(held), strict=False)
    elements = [(tag, encoding.element(tag, "UI", _even(uid.encode(), b"\0"))) for tag, uid in uids]
    level = LEVELS[depth + 1].encode()
    elements.append((LEVEL, encoding.element(LEVEL, "CS", _even(level))))
    return b"".join(whole for _, whole in sorted(elements))


def strange(chance: Random, encoding: Encoding, held: Held) -> bytes:
    """Any keys; some of the UIDs are of instances that are held."""
    keys: dict[int, bytes] = {}
    if chance.random() < 0.95:
        level = chance.choice((*LEVELS * 3, *_NOT_LEVELS)).encode()
        keys[LEVEL] = encoding.element(LEVEL, "CS", _even(level))
    if chance.random() < 0.8:  # so that something is found
        for tag, uid in zip(_UNIQUE, chance.choice(held), strict=True):
            value = chance.choice((uid.encode(), uid.encode(), b""))
            keys[tag] = encoding.element(tag, "UI", _even(value, b"\0"))
    for _ in range(chance.choice((0, 1, 1, 2, 5, 40, 300))):
        tag, vr = _key(chance)
        keys[tag] = key_element(chance, tag, vr, encoding)
    return b"".join(keys[tag] for tag in sorted(keys))


def of(
    encoding: Encoding, level: str, uids: Sequence[str], keys: Mapping[tuple[int, str], bytes]
) -> bytes:
    """An identifier of these keys, by tag and VR and of the unique ones."""
    elements = {LEVEL: encoding.element(LEVEL, "CS", _even(level.encode()))}
    for tag, uid in zip(_UNIQUE, uids, strict=True):
        elements[tag] = encoding.element(tag, "UI", _even(uid.encode(), b"\0"))
    for (tag, vr), value in keys.items():
        if vr == "SQ":
            key = encoding.element(0x00080100, "SH", _even(value))
            value = encoding.element(ITEM, "", key)
        elements[tag] = encoding.element(tag, vr, _even(value))
    return b"".join(elements[tag] for tag in sorted(elements))


def _key(chance: Random) -> tuple[int, str]:
    if chance.random() < 0.7:
        attribute = chance.choice(TABLE)
        return int(attribute.tag), attribute.vr
    anywhere = chance.randrange(0x00080000, 1 << 32)
    return chance.choice((anywhere, *OTHER_TAGS)), chance.choice(OTHER_VRS)


def key_element(chance: Random, tag: int, vr: str, encoding: Encoding) -> bytes:
    """A key with any value, or a sequence of some."""
    if vr == "SQ" or chance.random() < 0.05:
        return encoding.element(tag, "SQ", _items(chance, tag, encoding))
    if vr == "UI":
        count = chance.choice((2, 1000, 4000))
        value = chance.choice((*UIDS, b"\\".join(b"1.2.%d" % number for number in range(count))))
    else:
        value = chance.choice(TEXTS)
    return encoding.element(tag, vr, _even(value)[:0xFFFE])


def _items(chance: Random, tag: int, encoding: Encoding) -> bytes:
    tags = sorted(chance.sample(range(0x00100010, 0x00100040), 3))
    inner = b"".join(key_element(chance, one, "LO", encoding) for one in tags)
    item = encoding.element(ITEM, "", inner)
    deep = nested(chance.choice((2, 70, 2000)), tag, encoding)
    return chance.choice((b"", item, item * 50, b"xx", deep))


def _even(value: bytes, pad: bytes = b" ") -> bytes:
    return value + pad * (len(value) % 2)
