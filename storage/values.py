"""Element values: from the bytes of a data set to text, and back.

The index and the rules of matching work on text alone. A value of several is one text with a
backslash between them, as on the wire (PS3.5 6.4).
"""

import struct
from functools import lru_cache

from pydicom import config
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement

# Values in the field are what they are; a node keeps and finds them without complaint.
config.settings.reading_validation_mode = config.IGNORE

UTF_8 = "ISO_IR 192"

# VRs whose values are text in the data set's Specific Character Set (PS3.5 6.1.2.2).
CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# VRs whose single value may hold a backslash (PS3.5 6.2).
WHOLE_TEXT_VRS = frozenset({"LT", "ST", "UT", "UR"})
# VRs in which leading spaces mean something (PS3.5 6.2).
_LEADING_SPACE_VRS = frozenset({"LT", "ST", "UT", "UC", "UR"})
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_DELIMITERS = {vr: {0x0A, 0x0C, 0x0D, 0x09} for vr in WHOLE_TEXT_VRS}
_PN_DELIMITERS = {0x5C, 0x5E, 0x3D}
_TEXT_DELIMITERS = {0x5C, 0x0A, 0x0C, 0x0D, 0x09}
LONG_FORM_VRS = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)


@lru_cache(maxsize=256)
def encodings(terms: str, default: str = "ISO_IR 6") -> tuple[str, ...]:
    """The Python codecs of a Specific Character Set (0008,0005), the first one first.

    A term that nobody knows, and no term at all, stand for `default`.
    """
    names = [term.strip() for term in terms.split("\\")]
    if not any(names):
        names = [default]
    known = [python_encoding.get(name) for name in names]
    return tuple(codec or python_encoding[default] for codec in known)


def text_of(raw: RawDataElement, codecs: tuple[str, ...], little_endian: bool = True) -> str:
    """The value of `raw` as text, without padding."""
    value = raw.value
    if not value:
        return ""
    vr = vr_of(raw)
    if vr in _NUMBERS:
        return _numbers(value, _NUMBERS[vr], little_endian)
    if vr == "AT":
        halves = _numbers(value, "H", little_endian).split("\\")
        pairs = zip(halves[::2], halves[1::2], strict=False)
        return "\\".join(f"{int(group):04X}{int(element):04X}" for group, element in pairs)
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    elif vr in CHARSET_VRS:
        text = _decode(value, vr, codecs)
    else:
        text = value.decode("latin-1")
    return strip(vr, text)


def vr_of(raw: RawDataElement) -> str:
    """The VR, from the dictionary where the data set does not say (implicit, or UN)."""
    if raw.VR and raw.VR != "UN":
        return str(raw.VR)
    try:
        return dictionary_VR(raw.tag).split(" ")[0]
    except KeyError:
        return "UN"


def strip(vr: str, text: str) -> str:
    """`text` without the padding that does not count (PS3.5 6.2), value by value."""
    if vr in _LEADING_SPACE_VRS:
        return text.rstrip(" \0")
    if "\\" not in text:
        return text.strip(" \0")
    return "\\".join(part.strip(" \0") for part in text.split("\\"))


def split(vr: str, text: str) -> list[str]:
    """The values in `text`."""
    return [text] if vr in WHOLE_TEXT_VRS else text.split("\\")


def charset_for(texts: list[str], asked: str) -> str:
    """A Specific Character Set that holds `texts`: none, the one `asked` for, or UTF-8."""
    if all(text.isascii() for text in texts):
        return ""
    if asked and "\\" not in asked and asked in python_encoding:
        try:
            for text in texts:
                text.encode(python_encoding[asked])
        except UnicodeEncodeError:
            return UTF_8
        return asked
    return UTF_8


def to_bytes(vr: str, text: str, codec: str, little_endian: bool = True) -> bytes:
    """The value field for `text`, padded to even length (PS3.5 6.2)."""
    if vr in _NUMBERS:
        order = "<" if little_endian else ">"
        kind = float if vr in ("FL", "FD") else int
        numbers = [kind(number) for number in text.split("\\") if number]
        return struct.pack(f"{order}{len(numbers)}{_NUMBERS[vr]}", *numbers)
    data = text.encode(codec if vr in CHARSET_VRS else "latin-1", "replace")
    if len(data) % 2:
        data += b"\0" if vr == "UI" else b" "
    return data


def element(
    tag: int, vr: str, value: bytes, implicit_vr: bool = False, little_endian: bool = True
) -> bytes:
    """A data element: tag, VR where explicit, length, value (PS3.5 7.1)."""
    order = "<" if little_endian else ">"
    group, number = tag >> 16, tag & 0xFFFF
    if implicit_vr:
        return struct.pack(f"{order}HHI", group, number, len(value)) + value
    if vr in LONG_FORM_VRS:
        head = struct.pack(f"{order}HH2s2xI", group, number, vr.encode(), len(value))
    else:
        head = struct.pack(f"{order}HH2sH", group, number, vr.encode(), len(value))
    return head + value


def _numbers(value: bytes, code: str, little_endian: bool) -> str:
    count = len(value) // struct.calcsize(code)
    order = "<" if little_endian else ">"
    return "\\".join(map(str, struct.unpack_from(f"{order}{count}{code}", value)))


def _decode(value: bytes, vr: str, codecs: tuple[str, ...]) -> str:
    """Decode with `codecs`; what they cannot read is never dropped but read as ISO 8859-1."""
    delimiters = _PN_DELIMITERS if vr == "PN" else _DELIMITERS.get(vr, _TEXT_DELIMITERS)
    text = decode_bytes(value, codecs, delimiters)
    return value.decode("latin-1") if "\ufffd" in text else text
