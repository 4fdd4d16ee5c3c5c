"""Specific Character Set (0008,0005): its defined terms, as PS3.3 C.12.1.1.2 has them and as
equipment writes them, and the codecs that they stand for.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import python_encoding

from storage.dicom.values.memo import kept

UTF_8 = "ISO_IR 192"
ASCII = "ISO_IR 6"
# There are not so many (PS3.3 tables C.12-2 to C.12-5): more say nothing.
_MAX_TERMS = 32
_ASCII_TERMS = frozenset({"", ASCII, "ISO 2022 IR 6"})
_EXTENDED = "ISO 2022 IR "
# Of which each stands alone: no code extensions (PS3.3 table C.12-5).
_ALONE = frozenset({UTF_8, "GB18030", "GBK"})
# A defined term in any case, with any or no separators, as equipment writes it: `ISO IR 192`,
# `ISO-IR 192`, `iso_ir 192`, `ISO_2022_IR_101` (pynetdicom issue 201, fo-dicom issue 1624).
_SEPARATORS = re.compile(r"[\s_.:/\"-]+")
_TERM = re.compile(r"(?:ISO)?(2022)?IR(\d+)")
# Sets that are there with code extensions alone (PS3.3 table C.12-4): of two bytes a character.
_TWO_BYTE = frozenset({"58", "87", "149", "159"})
# What others call them (IANA character sets), in capitals and without separators.
_ALIASES = {
    "UTF8": UTF_8, "UNICODE": UTF_8, "ISO10646": UTF_8, "ISO106461": UTF_8, "CSUTF8": UTF_8,
    "UNICODE(UTF8)": UTF_8, "UNICODE11UTF8": UTF_8, "CP65001": UTF_8, "65001": UTF_8, "192": UTF_8,
    "ASCII": ASCII, "USASCII": ASCII,
    "GB2312": "ISO 2022 IR 58", "EUCCN": "ISO 2022 IR 58", "GB18030": "GB18030", "GBK": "GBK",
    "ISO2022GBK": "GBK", "ISO202258": "ISO 2022 IR 58",  # of drafts, and pydicom knows them
    "GB231280": "ISO 2022 IR 58", "GB180302000": "GB18030", "ISO2022GB18030": "GB18030",
    **dict.fromkeys(("CP936", "MS936", "WINDOWS936", "XGBK"), "GBK"),
    **dict.fromkeys(("CP949", "MS949", "UHC", "KSC5601", "KOREAN"), "ISO 2022 IR 149"),
    **dict.fromkeys(("SJIS", "XSJIS", "CP932", "MS932", "WINDOWS31J"), "ISO_IR 13"),
    "EUCKR": "ISO 2022 IR 149", "KSC56011987": "ISO 2022 IR 149", "KSX1001": "ISO 2022 IR 149",
    "SHIFTJIS": "ISO_IR 13", "JISX0201": "ISO_IR 13", "JISX0208": "ISO 2022 IR 87",
    "TIS620": "ISO_IR 166", "WINDOWS874": "ISO_IR 166", "ISO88598I": "ISO_IR 138",
    "LATIN1": "ISO_IR 100", "LATIN2": "ISO_IR 101", "LATIN5": "ISO_IR 148", "LATIN9": "ISO_IR 203",
    "CYRILLIC": "ISO_IR 144", "ARABIC": "ISO_IR 127", "GREEK": "ISO_IR 126", "HEBREW": "ISO_IR 138",
    **{f"ISO8859{part}": f"ISO_IR {number}" for part, number in (
        (1, 100), (2, 101), (3, 109), (4, 110), (5, 144), (6, 127), (7, 126), (8, 138), (9, 148),
        (11, 166), (15, 203),
    )},
}  # fmt: skip
# Sets that DICOM does not have and that are named all the same: read, and never answered in.
_OTHER_CODECS = {
    **{f"{maker}{number}": f"cp{number}"
       for maker in ("CP", "WINDOWS", "MS") for number in range(1250, 1259)},
    "1251": "cp1251", "KOI8R": "koi8_r", "KOI8U": "koi8_u", "EUCJP": "euc_jp",
    **dict.fromkeys(("BIG5", "CP950", "MS950", "WINDOWS950"), "cp950"),
}  # fmt: skip


@dataclass(frozen=True)
class Charset:
    """A Specific Character Set as named, and the one to fall back on."""

    terms: tuple[str, ...]
    fallback: str = ASCII

    @property
    def codec(self) -> str:
        """The codec of the first value: of text without escape sequences."""
        return codec_of(self.terms[0])

    @property
    def extended(self) -> bool:
        """Whether code extensions are named (PS3.5 6.1.2.5)."""
        return len(self.terms) > 1 or self.terms[0].startswith("ISO 2022 ")


@kept(256)
def charset(named: str, default: str = ASCII) -> Charset:
    """The Specific Character Set of the element value `named`.

    `default` is meant where none is named; a term that nobody knows stands for it too.
    """
    terms, defaults = defined_terms(named), defined_terms(default)
    if not any(terms):
        terms = defaults
    fallback = next(filter(is_known, defaults), ASCII)
    return Charset(tuple(t if is_known(t) else fallback for t in terms), fallback)


@kept(256)
def defined_terms(named: str) -> tuple[str, ...]:
    """The terms of a Specific Character Set as PS3.3 C.12.1.1.2 has them, however they are written.

    What is no term stays as it is. One that stands alone does so beside others too: with them it
    says nothing.
    """
    texts = named.split("\\", _MAX_TERMS)[:_MAX_TERMS]
    while len(texts) > 1 and not texts[-1].strip():
        texts.pop()
    terms = tuple(_defined(text.strip(" \0"), len(texts) > 1) for text in texts)
    alone = next((term for term in terms if term in _ALONE), None)
    return (alone,) if alone else terms


def _defined(text: str, extended: bool) -> str:
    plain = _SEPARATORS.sub("", text).upper()
    found = _TERM.fullmatch(plain)
    if not found:
        return _ALIASES.get(plain, plain if plain in _OTHER_CODECS else text)
    number = str(int(found[2]))
    if number == "192":
        return UTF_8
    return f"ISO 2022 IR {number}" if found[1] or extended or number in _TWO_BYTE else (
        f"ISO_IR {number}"
    )  # fmt: skip


def legal_terms(terms: tuple[str, ...]) -> tuple[str, ...]:
    """`terms` as they may stand in a data set, or none: PS3.3 C.12.1.1.2 has no such combination.

    One set with code extensions and no other is named without them; a set of two bytes a character
    is never the first one; empty values behind that say nothing.
    """
    first, *others = terms
    is_ascii = first in _ASCII_TERMS
    others = [one for one in others if one and not (is_ascii and one in _ASCII_TERMS)]
    if first.removeprefix(_EXTENDED) in _TWO_BYTE:
        first, others = "", [first, *others]
    found = (first, *others)
    if not all(map(_is_defined, found)) or len(set(found)) < len(found):
        return ()
    if not others:
        return (
            ("ISO_IR " + first.removeprefix(_EXTENDED),) if first.startswith(_EXTENDED) else found
        )
    return found if all(one.startswith(_EXTENDED) for one in found if one) else ()


def is_known(term: str) -> bool:
    """Whether a codec is there for `term`."""
    return _is_defined(term) or term in _OTHER_CODECS


def _is_defined(term: str) -> bool:
    """Whether it is one of PS3.3 C.12.1.1.2, and may be answered."""
    return term in python_encoding or term == "ISO 2022 IR 203" or term == "ISO_IR 203"


@lru_cache(maxsize=256)
def codec_of(term: str) -> str:
    """The name of the codec of a term that is known."""
    # pydicom reads the default repertoire as ISO 8859-1; to fall back it must be ASCII alone.
    if term in _ASCII_TERMS:
        return "ascii"
    if term.endswith(" 203"):
        return "iso8859-15"
    return codecs.lookup(_OTHER_CODECS.get(term) or python_encoding[term]).name
