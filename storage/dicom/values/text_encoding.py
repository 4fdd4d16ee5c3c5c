"""Bytes from text, in a Specific Character Set that holds it (PS3.5 6.1.2)."""

from collections.abc import Iterable, Iterator

from storage.dicom.values.charset_terms import UTF_8, Charset, charset, defined_terms, legal_terms
from storage.dicom.values.code_extensions import (
    BY_ESCAPES_ALONE,
    DESIGNATIONS,
    RESETS,
    Designation,
    kind_of,
)

# Codecs that are just the set.
_UNBOUNDED = frozenset({"utf-8", "gb18030", "gbk"})


def encode(text: str, named: Charset, person_name: bool = False, whole_text: bool = False) -> bytes:
    """`text` as bytes; see `kind_of`. Raises UnicodeEncodeError where `named` cannot hold it."""
    if text.isascii():
        return text.encode("ascii")
    if not named.extended:
        _require_single_bytes(text, named)
        return text.encode(named.codec)
    parts = RESETS[kind_of(person_name, whole_text)].split(text)
    return b"".join(_encode_extended(part, named) for part in parts)


def choose(texts: Iterable[str], asked: str) -> str:
    """A Specific Character Set that holds `texts`: none, the one `asked` for, or UTF-8.

    One that is asked for in other words is named in those of the standard; a combination that PS3.3
    C.12.1.1.2 does not have is not named (see `legal_terms`).
    """
    beyond = [text for text in texts if not text.isascii()]
    if not beyond:
        return ""
    terms = legal_terms(defined_terms(asked))
    if not terms:
        return UTF_8
    asked = "\\".join(terms)
    named = charset(asked)
    try:
        for text in beyond:
            encode(text, named, person_name="^" in text or "=" in text)
    except UnicodeEncodeError:
        return UTF_8
    return asked


def _require_single_bytes(text: str, named: Charset) -> None:
    """Raise UnicodeEncodeError for what the codec of ISO_IR 13 knows, and that set does not."""
    if named.codec == "shift_jis":
        for at, character in enumerate(text):
            if not character.isascii() and not _holds(named.codec, character):
                raise UnicodeEncodeError("dicom", text, at, at + 1, "not of JIS X 0201")


def _encode_extended(text: str, named: Charset) -> bytes:
    """One stretch between delimiters, which begins and ends with the initial sets."""
    initial = named.codec
    romaji = b"\x1b(J" if initial == "shift_jis" else b"\x1b(B"
    encoded, g0, g1 = bytearray(), None, initial
    for run, designation in _runs(text, named):
        if g0 and not (designation and designation.fills_g0):
            encoded += romaji
            g0 = None
        if run.isascii():
            encoded += run.encode("ascii")
            continue
        designation = designation or _first_in_g1(named)
        if designation is None:
            encoded += run.encode(initial)
        elif designation.fills_g0:
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


def _first_in_g1(named: Charset) -> Designation | None:
    """The first of the sets, as what brings it back where another one was brought in."""
    return next((one for one in DESIGNATIONS if one.codec == named.codec), None)


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
    initial = named.codec if named.codec not in BY_ESCAPES_ALONE else "ascii"
    if character.isascii() or _holds(initial, character):
        return None
    for designation in DESIGNATIONS:
        if designation.term in named.terms and _holds(designation.codec, character):
            return designation
    raise UnicodeEncodeError("dicom", character, 0, 1, "in none of the character sets named")


def _holds(codec: str, character: str) -> bool:
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return False
    # The codecs know more than the sets: Shift JIS kanji as well, of which ISO-IR 13 is the single
    # bytes; those of ISO 2022 sets of other escape sequences; EUC-KR letters of eight bytes. Nor
    # is the yen sign of ISO-IR 14 one: its byte is the delimiter of values (PS3.5 6.1.2.3).
    for designation in DESIGNATIONS:
        if designation.codec == codec and designation.prefix:
            return encoded.startswith(designation.prefix) and encoded.count(b"\x1b") == 2
    if codec in _UNBOUNDED:
        return True
    return len(encoded) == (2 if codec in ("euc_kr", "gb2312") else 1) and encoded[0] > 0x7F


def _pairs(run: str, designation: Designation) -> bytes:
    return run.encode(designation.codec).removeprefix(designation.prefix).removesuffix(b"\x1b(B")
