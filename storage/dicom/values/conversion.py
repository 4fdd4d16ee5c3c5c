"""Element values: from the bytes of a data set to text, and back.

The index and the rules of matching work on text alone. A value of several is one text with a
backslash between them, as on the wire (PS3.5 6.4).
"""

import struct

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import STANDARD_VR

from storage.dicom.values.charsets import Charset, charset, decode, encode

# Values in the field are what they are; a node keeps and finds them without complaint.
config.settings.reading_validation_mode = config.IGNORE

_VRS = frozenset(map(str, STANDARD_VR)) - {"UN"}
# VRs whose values are text in the data set's Specific Character Set (PS3.5 6.1.2.2).
CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# VRs whose single value may hold a backslash (PS3.5 6.2).
WHOLE_TEXT_VRS = frozenset({"LT", "ST", "UT", "UR"})
# VRs in which leading spaces mean something (PS3.5 6.2).
_LEADING_SPACE_VRS = frozenset({"LT", "ST", "UT", "UC", "UR"})
# VRs that a space pads to even length, where NUL pads all others (PS3.5 6.2).
SPACE_PADDED_VRS = CHARSET_VRS | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UR"}
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
# VRs whose values are text, and mostly of the default repertoire.
_PLAIN_VRS = CHARSET_VRS | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}
# The heads of elements: of implicit VR, and of explicit VR with lengths of 32 and of 16 bits.
_LITTLE_ENDIAN, _BIG_ENDIAN = (
    tuple(struct.Struct(order + form) for form in ("HHI", "HH2s2xI", "HH2sH")) for order in "<>"
)
_MAX_SHORT_LENGTH = 0xFFFE
_ASCII = charset("")
# By the size of their lengths in explicit VR (PS3.5 7.1.2).
SHORT_FORM_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL",
     "SS", "ST", "TM", "UI", "UL", "US"}
)  # fmt: skip
LONG_FORM_VRS = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)


def text_of(raw: RawDataElement, named: Charset, little_endian: bool = True) -> str:
    """The value of `raw` as text, without padding; `named` is the data set's character set."""
    value = raw.value
    return decoded(vr_of(raw), value, named, little_endian) if value else ""


def decoded(vr: str, value: bytes, named: Charset, little_endian: bool = True) -> str:
    """A value field of `vr` as text, without padding."""
    if vr in _PLAIN_VRS and value.isascii():
        text = value.decode("ascii")
        if "\x1b" not in text:
            if "\\" in text or vr in _LEADING_SPACE_VRS:
                return strip(vr, text)
            return text.strip(" \0")
    if vr in _NUMBERS:
        return _numbers(value, _NUMBERS[vr], little_endian)
    if vr == "AT":
        halves = _numbers(value, "H", little_endian).split("\\")
        pairs = zip(halves[::2], halves[1::2], strict=False)
        return "\\".join(f"{int(group):04X}{int(element):04X}" for group, element in pairs)
    if vr in CHARSET_VRS:
        return strip(vr, decode(value, named, vr == "PN", vr in WHOLE_TEXT_VRS))
    return strip(vr, value.decode("latin-1"))


def is_number(vr: str) -> bool:
    """Whether values of `vr` are binary numbers."""
    return vr in _NUMBERS


def vr_of(raw: RawDataElement) -> str:
    """The VR, from the dictionary where the data set does not say (implicit, UN, or no VR)."""
    return str(raw.VR) if raw.VR in _VRS else vr_of_tag(raw.tag)


def vr_of_tag(tag: int) -> str:
    """The VR that the dictionary has for an element."""
    try:
        return dictionary_VR(tag).split(" ")[0]
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


def to_bytes(vr: str, text: str, named: Charset, little_endian: bool = True) -> bytes:
    """The value field for `text`, padded to even length (PS3.5 6.2).

    Raises UnicodeEncodeError where `named` cannot hold the text; see `charsets.choose`.
    """
    if vr in _NUMBERS:
        return b"".join(_packed(vr, number, little_endian) for number in text.split("\\"))
    if vr == "AT":
        return b"".join(_packed_tag(tag, little_endian) for tag in text.split("\\"))
    if vr in CHARSET_VRS:
        data = encode(text, named, vr == "PN", vr in WHOLE_TEXT_VRS)
    else:
        data = text.encode("latin-1", "replace")
    if len(data) % 2:
        data += b" " if vr in SPACE_PADDED_VRS else b"\0"
    return data


def uid_bytes(uid: str) -> bytes:
    """The value field for a UID."""
    data = uid.encode("latin-1", "replace")  # as `to_bytes`, which has more to look at
    return data + b"\0" if len(data) % 2 else data


def element(
    tag: int, vr: str, value: bytes, implicit_vr: bool = False, little_endian: bool = True
) -> bytes:
    """A data element: tag, VR where explicit, length, value (PS3.5 7.1)."""
    implicit, long, short = _LITTLE_ENDIAN if little_endian else _BIG_ENDIAN
    group, number = tag >> 16, tag & 0xFFFF
    if implicit_vr:
        return implicit.pack(group, number, len(value)) + value
    if vr not in LONG_FORM_VRS and len(value) > _MAX_SHORT_LENGTH:
        vr = "UN"  # PS3.5 6.2.2
    form = long if vr in LONG_FORM_VRS else short
    return form.pack(group, number, vr.encode(), len(value)) + value


def _packed(vr: str, number: str, little_endian: bool) -> bytes:
    kind = float if vr in ("FL", "FD") else int
    try:
        return struct.pack(("<" if little_endian else ">") + _NUMBERS[vr], kind(number))
    except (ValueError, struct.error):  # a data set had text, or another VR, in its place
        return b""


def _packed_tag(tag: str, little_endian: bool) -> bytes:
    try:
        return struct.pack("<HH" if little_endian else ">HH", int(tag[:4], 16), int(tag[4:], 16))
    except (ValueError, struct.error):
        return b""


def _numbers(value: bytes, code: str, little_endian: bool) -> str:
    count = len(value) // struct.calcsize(code)
    order = "<" if little_endian else ">"
    return "\\".join(map(str, struct.unpack_from(f"{order}{count}{code}", value)))
