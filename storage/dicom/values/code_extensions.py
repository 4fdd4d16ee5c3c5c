"""Code extensions (ISO 2022, PS3.5 6.1.2.5): what escape sequences bring in, and what ends it."""

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Designation:
    """A character set that an escape sequence brings into G0 or G1 (PS3.3 table C.12-3, -4)."""

    escape: bytes
    term: str
    codec: str
    prefix: bytes = b""  # what the codec wants in front of bytes of a G0 set
    width: int = 2  # bytes a character, of those

    @property
    def fills_g0(self) -> bool:
        """Whether its bytes are of 7 bits, so that none of them is a delimiter."""
        return bool(self.prefix)


DESIGNATIONS = (
    Designation(b"\x1b(B", "ISO 2022 IR 6", "ascii"),
    Designation(b"\x1b(J", "ISO 2022 IR 13", "ascii"),  # ISO-IR 14, the romaji half
    Designation(b"\x1b)I", "ISO 2022 IR 13", "shift_jis"),
    Designation(b"\x1b-A", "ISO 2022 IR 100", "iso8859-1"),
    Designation(b"\x1b-B", "ISO 2022 IR 101", "iso8859-2"),
    Designation(b"\x1b-C", "ISO 2022 IR 109", "iso8859-3"),
    Designation(b"\x1b-D", "ISO 2022 IR 110", "iso8859-4"),
    Designation(b"\x1b-F", "ISO 2022 IR 126", "iso8859-7"),
    Designation(b"\x1b-G", "ISO 2022 IR 127", "iso8859-6"),
    Designation(b"\x1b-H", "ISO 2022 IR 138", "iso8859-8"),
    Designation(b"\x1b-L", "ISO 2022 IR 144", "iso8859-5"),
    Designation(b"\x1b-M", "ISO 2022 IR 148", "iso8859-9"),
    Designation(b"\x1b-T", "ISO 2022 IR 166", "tis-620"),
    Designation(b"\x1b-b", "ISO 2022 IR 203", "iso8859-15"),
    Designation(b"\x1b$)C", "ISO 2022 IR 149", "euc_kr"),
    Designation(b"\x1b$)A", "ISO 2022 IR 58", "gb2312"),
    Designation(b"\x1b$B", "ISO 2022 IR 87", "iso2022_jp", b"\x1b$B"),
    Designation(b"\x1b$(D", "ISO 2022 IR 159", "iso2022_jp_2", b"\x1b$(D"),
)
# Those of ISO 2022 that DICOM does not have, and equipment writes: read, and never written.
_FOREIGN = (
    Designation(b"\x1b(H", "", "ascii"),  # taken for that of ISO-IR 14
    Designation(b"\x1b(I", "", "iso2022_jp_ext", b"\x1b(I", width=1),  # katakana in G0
    Designation(b"\x1b$@", "", "iso2022_jp", b"\x1b$@"),  # JIS C 6226 of 1978
    Designation(b"\x1b$(@", "", "iso2022_jp", b"\x1b$@"),
    Designation(b"\x1b$(B", "", "iso2022_jp", b"\x1b$B"),
    Designation(b"\x1b$A", "", "iso2022_jp_2", b"\x1b$A"),  # that of ISO 2022 IR 58 in G0
    Designation(b"\x1b$(C", "", "iso2022_jp_2", b"\x1b$(C"),  # that of ISO 2022 IR 149 in G0
    Designation(b"\x1b%G", "", "utf-8"),  # until ESC 02/05 04/00, whatever delimiters there are
)
UTF_8_ENDS = b"\x1b%@"
# Codecs of sets that fill G0: nothing without an escape sequence.
BY_ESCAPES_ALONE = frozenset(one.codec for one in DESIGNATIONS if one.fills_g0)
BY_ESCAPE = {designation.escape: designation for designation in (*DESIGNATIONS, *_FOREIGN)}
ESCAPE = re.compile(b"(" + b"|".join(map(re.escape, (*BY_ESCAPE, UTF_8_ENDS))) + b")")


class Kind(Enum):
    """What a value is divided by, each part beginning and ending with the initial sets.

    By control characters all are (PS3.5 6.1.2.5.3); the backslash of a long text is one of its own.
    """

    NAME = r"\\^=\x00-\x1a\x1c-\x1f"
    VALUES = r"\\\x00-\x1a\x1c-\x1f"
    WHOLE = r"\x00-\x1a\x1c-\x1f"


def kind_of(person_name: bool, whole_text: bool) -> Kind:
    """The kind of a person name, a text of one value, or else of what may be several values."""
    return Kind.NAME if person_name else Kind.WHOLE if whole_text else Kind.VALUES


RESETS = {kind: re.compile(f"([{kind.value}])") for kind in Kind}
_RESET_BYTES = {
    kind: frozenset(bytes((at,)) for at in range(128) if RESETS[kind].match(chr(at)))
    for kind in Kind
}
# Codecs of which the second byte of a character may be that of a delimiter.
_PAIRS = {
    "shift_jis": rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]",
    "cp950": rb"[\x81-\xfe][\x40-\x7e\xa1-\xfe]",
    **dict.fromkeys(("gb18030", "gbk", "gb2312"), rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]"),
}
_STRETCHES = {
    (codec, kind): re.compile(b"((?:" + pair + b"[^%b])+|[%b])" % ((kind.value.encode(),) * 2))
    for codec, pair in {"": b"", **{codec: pair + b"|" for codec, pair in _PAIRS.items()}}.items()
    for kind in Kind
}


def has_delimiters_inside(codec: str) -> bool:
    """Whether a delimiter's byte may be the second one of a character."""
    return codec in _PAIRS


def stretches(value: bytes, codec: str, kind: Kind) -> list[bytes]:
    """`value` in parts: a delimiter or control character each, and what is between them.

    A byte of theirs that is the second one of a character of `codec` is none of them.
    """
    return _STRETCHES[codec if codec in _PAIRS else "", kind].findall(value)


def is_reset(stretch: bytes, kind: Kind) -> bool:
    """Whether it is one of those at which the initial sets are in force again."""
    return stretch in _RESET_BYTES[kind]
