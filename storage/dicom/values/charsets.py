"""Specific Character Set (0008,0005): text from bytes and bytes from text (PS3.5 6.1.2, PS3.3
C.12.1.1.2), with the code extensions of ISO 2022.

Decoding never drops a character: a component group that the named sets cannot read is read by the
default one; where that cannot either, each stretch of bytes that is none of the named set stands
for what it is in ISO 8859-1, in which every byte is a character.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import python_encoding

from storage.dicom.values.memo import kept

UTF_8 = "ISO_IR 192"
ASCII = "ISO_IR 6"
_LAST_RESORT = "latin-1"
# There are not so many (PS3.3 tables C.12-2 to C.12-5): more say nothing.
_MAX_TERMS = 32
_ASCII_TERMS = frozenset({"", ASCII, "ISO 2022 IR 6"})
# Of which each stands alone: no code extensions (PS3.3 table C.12-5).
_ALONE = frozenset({UTF_8, "GB18030", "GBK"})
# A defined term in any case, with any or no separators, as equipment writes it: `ISO IR 192`,
# `ISO-IR 192`, `iso_ir 192`, `ISO_2022_IR_101` (pynetdicom issue 201, fo-dicom issue 1624).
_TERM = re.compile(r"ISO[ _-]*(2022[ _-]*)?IR[ _-]*(\d+)", re.I)
# Sets that are there with code extensions alone (PS3.3 table C.12-4): of two bytes a character.
_TWO_BYTE = frozenset({"58", "87", "149", "159"})
# What others call them (IANA character sets), in capitals and without separators.
_ALIASES = {
    "UTF8": UTF_8, "UNICODE": UTF_8, "ISO10646": UTF_8,
    "ASCII": ASCII, "USASCII": ASCII,
    "GB2312": "ISO 2022 IR 58", "EUCCN": "ISO 2022 IR 58", "GB18030": "GB18030", "GBK": "GBK",
    "EUCKR": "ISO 2022 IR 149", "KSC56011987": "ISO 2022 IR 149", "KSX1001": "ISO 2022 IR 149",
    "SHIFTJIS": "ISO_IR 13", "JISX0201": "ISO_IR 13", "JISX0208": "ISO 2022 IR 87",
    "TIS620": "ISO_IR 166", "LATIN1": "ISO_IR 100", "LATIN2": "ISO_IR 101",
    **{f"ISO8859{part}": f"ISO_IR {number}" for part, number in (
        (1, 100), (2, 101), (3, 109), (4, 110), (5, 144), (6, 127), (7, 126), (8, 138), (9, 148),
        (11, 166), (15, 203),
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Designation:
    """A character set that an escape sequence brings into G0 or G1 (PS3.3 table C.12-3, -4)."""

    escape: bytes
    term: str
    codec: str
    prefix: bytes = b""  # what the codec wants in front of bytes of a G0 set

    @property
    def two_byte_g0(self) -> bool:
        """Whether its bytes are 7-bit pairs, so that none of them is a delimiter."""
        return bool(self.prefix)


_DESIGNATIONS = (
    Designation(b"\x1b(B", "ISO 2022 IR 6", "ascii"),
    Designation(b"\x1b(J", "ISO 2022 IR 13", "ascii"),  # ISO-IR 14, the romaji half
    Designation(b"\x1b)I", "ISO 2022 IR 13", "shift_jis"),
    Designation(b"\x1b-A", "ISO 2022 IR 100", "latin-1"),
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
_BY_ESCAPE = {designation.escape: designation for designation in _DESIGNATIONS}
_ESCAPE = re.compile(b"(" + b"|".join(re.escape(escape) for escape in _BY_ESCAPE) + b")")
# Codecs that are just the set.
_UNBOUNDED = frozenset({"utf-8", "gb18030", "gbk"})
# PS3.5 6.1.2.5.3: at these the initial sets are in force again.
_RESETS = {True: re.compile(r"([\\^=\t\n\f\r])"), False: re.compile(r"([\\\t\n\f\r])")}
_BYTE_RESETS = {key: re.compile(one.pattern.encode()) for key, one in _RESETS.items()}


@dataclass(frozen=True)
class Charset:
    """A Specific Character Set as named, and the one to fall back on."""

    terms: tuple[str, ...]
    fallback: str = ASCII

    @property
    def codec(self) -> str:
        """The codec of the first value: of text without escape sequences."""
        return _codec(self.terms[0])

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
    fallback = next(filter(_is_known, defaults), ASCII)
    return Charset(tuple(t if _is_known(t) else fallback for t in terms), fallback)


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
    found = _TERM.fullmatch(text)
    if not found:
        return _ALIASES.get(re.sub(r"[ _.:-]", "", text).upper(), text)
    number = str(int(found[2]))
    if number == "192":
        return UTF_8
    return f"ISO 2022 IR {number}" if found[1] or extended or number in _TWO_BYTE else (
        f"ISO_IR {number}"
    )  # fmt: skip


def decode(value: bytes, named: Charset, person_name: bool = False) -> str:
    """`value` as text, in Unicode's composed form."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    if b"\x1b" in value:
        text = _decode_extended(value, named, person_name)
    else:
        try:
            text = value.decode(named.codec)
        except UnicodeDecodeError:
            parts = _BYTE_RESETS[person_name].split(value.rstrip(b" \0"))
            text = "".join(_decode_part(part, named) for part in parts)
    return unicodedata.normalize("NFC", text)


def encode(text: str, named: Charset, person_name: bool = False) -> bytes:
    """`text` as bytes. Raises UnicodeEncodeError where `named` cannot hold it."""
    if text.isascii():
        return text.encode("ascii")
    if not named.extended:
        _require_single_bytes(text, named)
        return text.encode(named.codec)
    parts = _RESETS[person_name].split(text)
    return b"".join(_encode_extended(part, named) for part in parts)


def choose(texts: Iterable[str], asked: str) -> str:
    """A Specific Character Set that holds `texts`: none, the one `asked` for, or UTF-8.

    One that is asked for in other words is named in those of the standard; a combination that PS3.3
    C.12.1.1.2 does not have is not named.
    """
    beyond = [text for text in texts if not text.isascii()]
    if not beyond:
        return ""
    terms = defined_terms(asked)
    if not _is_legal(terms):
        return UTF_8
    asked = "\\".join(terms)
    named = charset(asked)
    try:
        for text in beyond:
            encode(text, named, person_name="^" in text or "=" in text)
    except UnicodeEncodeError:
        return UTF_8
    return asked


def _is_legal(terms: tuple[str, ...]) -> bool:
    """Whether they are known, and may be named together: of several each with code extensions."""
    if not all(map(_is_known, terms)) or len(set(terms)) < len(terms):
        return False
    return len(terms) == 1 or all(term.startswith("ISO 2022 ") for term in terms if term)


def _require_single_bytes(text: str, named: Charset) -> None:
    """Raise UnicodeEncodeError for what the codec of ISO_IR 13 knows, and that set does not."""
    if named.codec == "shift_jis":
        for at, character in enumerate(text):
            if not character.isascii() and not _holds(named.codec, character):
                raise UnicodeEncodeError("dicom", text, at, at + 1, "not of JIS X 0201")


def _is_known(term: str) -> bool:
    return term in python_encoding or term == "ISO 2022 IR 203" or term == "ISO_IR 203"


@lru_cache(maxsize=256)
def _codec(term: str) -> str:
    # pydicom reads the default repertoire as ISO 8859-1; to fall back it must be ASCII alone.
    if term in _ASCII_TERMS:
        return "ascii"
    if term.endswith(" 203"):
        return "iso8859-15"
    return codecs.lookup(python_encoding[term]).name


def _decode_part(part: bytes, named: Charset) -> str:
    """A stretch without escape sequences, by the first of the sets that can read all of it."""
    # Some name code extensions, and write in one of them without the escape sequence.
    others = (_codec(term) for term in named.terms[1:] if term)
    for codec in (named.codec, *filter(_single, others), _codec(named.fallback)):
        with suppress(UnicodeDecodeError):
            return part.decode(codec)
    codec = named.codec if named.codec != "ascii" else _LAST_RESORT
    return part.decode(codec, errors=_STRETCHES)


def _by_last_resort(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode(_LAST_RESORT), error.end


_STRETCHES = "dicom-stretches"
codecs.register_error(_STRETCHES, _by_last_resort)


def _decode_extended(value: bytes, named: Charset, person_name: bool) -> str:
    resets = _BYTE_RESETS[person_name]
    initial = named.codec if _single(named.codec) else "ascii"
    g0: Designation | None = None
    g1 = latest = initial
    parts = []
    for piece in _ESCAPE.split(value):
        designation = _BY_ESCAPE.get(piece)
        if designation:
            if designation.two_byte_g0 or designation.codec == "ascii":
                g0 = designation if designation.two_byte_g0 else None
            else:
                g1 = latest = designation.codec
        elif g0:
            parts.append(_decode_pairs(piece, g0, named))
        else:
            for part in resets.split(piece):
                if resets.fullmatch(part):
                    g1 = initial
                # Some writers do not repeat the escape sequence after a delimiter.
                codec = g1 if part.isascii() or g1 != "ascii" else latest
                try:
                    parts.append(part.decode(codec))
                except UnicodeDecodeError:
                    parts.append(_decode_part(part, named))
    return "".join(parts)


def _decode_pairs(piece: bytes, g0: Designation, named: Charset) -> str:
    try:
        return (g0.prefix + piece).decode(g0.codec)
    except UnicodeDecodeError:
        return _decode_part(piece, named)


def _single(codec: str) -> bool:
    return codec not in ("iso2022_jp", "iso2022_jp_2")


def _encode_extended(text: str, named: Charset) -> bytes:
    """One stretch between delimiters, which begins and ends with the initial sets."""
    initial = named.codec
    romaji = b"\x1b(J" if initial == "shift_jis" else b"\x1b(B"
    encoded, g0, g1 = bytearray(), None, initial
    for run, designation in _runs(text, named):
        if g0 and not (designation and designation.two_byte_g0):
            encoded += romaji
            g0 = None
        if designation is None:  # ASCII, or in the first set
            encoded += run.encode(initial if not run.isascii() else "ascii")
        elif designation.two_byte_g0:
            if g0 is not designation:
                encoded += designation.escape
                g0 = designation
            encoded += _pairs(run, designation)
        else:
            if g1 != designation.codec:
                encoded += designation.escape
                g1 = designation.codec
            encoded += run.encode(designation.codec)
    return bytes(encoded) + (romaji if g0 else b"")


def _runs(text: str, named: Charset) -> Iterator[tuple[str, Designation | None]]:
    """Stretches of `text` with the set that holds them. Raises UnicodeEncodeError."""
    run, held = "", None
    for character in text:
        designation = _designation_for(character, named)
        if run and designation is not held:
            yield run, held
            run = ""
        run, held = run + character, designation
    if run:
        yield run, held


def _designation_for(character: str, named: Charset) -> Designation | None:
    initial = named.codec if _single(named.codec) else "ascii"
    if character.isascii() or _holds(initial, character):
        return None
    for designation in _DESIGNATIONS:
        if designation.term in named.terms and _holds(designation.codec, character):
            return designation
    raise UnicodeEncodeError("dicom", character, 0, 1, "in none of the character sets named")


def _holds(codec: str, character: str) -> bool:
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return False
    # The codecs know more than the sets: Shift JIS kanji as well, of which ISO-IR 13 is the single
    # bytes; those of ISO 2022 sets of other escape sequences; EUC-KR letters of eight bytes.
    for designation in _DESIGNATIONS:
        if designation.codec == codec and designation.prefix:
            return encoded.startswith(designation.prefix) and encoded.count(b"\x1b") == 2
    return len(encoded) == (2 if codec in ("euc_kr", "gb2312") else 1) or codec in _UNBOUNDED


def _pairs(run: str, designation: Designation) -> bytes:
    return run.encode(designation.codec).removeprefix(designation.prefix).removesuffix(b"\x1b(B")
