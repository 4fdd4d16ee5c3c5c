"""Text from bytes, by the Specific Character Set that a data set names (PS3.5 6.1.2).

Nothing is dropped that is a character. What is bad in the named set, and only that, is read by the
default one; a byte that is bad in both stands for what it is in ISO 8859-1, where every byte is a
character. Of what fills G0, where bytes mean nothing by themselves, it is U+FFFD.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from storage.dicom.values.charset_terms import Charset, codec_of
from storage.dicom.values.code_extensions import (
    BY_ESCAPE,
    BY_ESCAPES_ALONE,
    ESCAPE,
    UTF_8_ENDS,
    Designation,
    Kind,
    has_delimiters_inside,
    is_reset,
    kind_of,
    stretches,
)

_LAST_RESORT = "latin-1"
_NO_CHARACTER = "\ufffd"
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # what cp932 makes of a byte that is none
# What is written where the smaller set is named.
_SUPERSETS = {"shift_jis": "cp932", "euc_kr": "cp949", "gb2312": "gbk"}
_G0_TOKENS = {
    1: re.compile(rb"[\x21-\x7e]|[\x80-\xff]+|[\x00-\x20\x7f]+"),
    2: re.compile(rb"[\x21-\x7e]{2}|[\x80-\xff]+|[\x00-\x7f]"),
}


def decode(
    value: bytes, named: Charset, person_name: bool = False, whole_text: bool = False
) -> str:
    """`value` as text, in Unicode's composed form; see `kind_of`."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    if b"\x1b" in value:
        # One that brings nothing in is no text, and no other character set has it.
        text = "".join(_Extended(named, kind_of(person_name, whole_text)).decode(value)).replace(
            "\x1b", ""
        )
    else:
        try:
            text = value.decode(named.codec)
        except UnicodeDecodeError:
            text = _decode_faulty(value, named, kind_of(person_name, whole_text))
    return unicodedata.normalize("NFC", text)


def _decode_faulty(value: bytes, named: Charset, kind: Kind) -> str:
    """A value without escape sequences that is not wholly in the first of the sets."""
    codecs_of = _Codecs.of(named, named.codec)
    if codecs_of.have_delimiters_inside:
        return _decode_stretch(value, codecs_of)
    parts = stretches(value, codecs_of.named[0], kind)
    return "".join(_decode_stretch(part, codecs_of) for part in parts)


@dataclass(frozen=True)
class _Codecs:
    """What a stretch is read by that is not wholly in the set that it should be in."""

    named: tuple[str, ...]  # that one, and the others that read bytes without escape sequences
    larger: tuple[str, ...]
    default: str
    by_bytes: str  # reads what is good in it
    have_delimiters_inside: bool

    @property
    def alone(self) -> "_Codecs":
        """The first one without the others."""
        first = self.named[0]
        larger = (_SUPERSETS[first],) if first in _SUPERSETS else ()
        return replace(self, named=(first,), larger=larger, by_bytes=first)

    @staticmethod
    @lru_cache(maxsize=256)
    def of(named: Charset, codec: str) -> "_Codecs":
        """Those of `named`, `codec` the first one.

        Some name code extensions, and write in one of them without the escape sequence.
        """
        terms = (named.terms[0], *filter(None, named.terms[1:]))
        found = dict.fromkeys((codec, *map(codec_of, terms)))
        plain = tuple(one for one in found if one not in BY_ESCAPES_ALONE) or ("ascii",)
        default = codec_of(named.fallback)
        return _Codecs(
            plain,
            tuple(_SUPERSETS[one] for one in plain if one in _SUPERSETS),
            default,
            next((one for one in (*plain, default) if one != "ascii"), "ascii"),
            any(map(has_delimiters_inside, (*plain, default))),
        )


def _decode_stretch(stretch: bytes, by: _Codecs) -> str:
    """A stretch by the first set that it is wholly in, or what is good in one, and the rest."""
    for one in by.named:
        with suppress(UnicodeDecodeError):
            return stretch.decode(one)
    for one in by.larger:
        with suppress(UnicodeDecodeError):
            text = stretch.decode(one)
            if not _PRIVATE.search(text):
                return text
    text = stretch.decode(by.by_bytes, _bad_bytes_by(by.default))
    with suppress(UnicodeDecodeError):
        whole = stretch.decode(by.default)
        if not _is_mostly_of(by.by_bytes, stretch) and _reads_as_text(whole, len(stretch)):
            return whole
    return text


def _is_mostly_of(codec: str, stretch: bytes) -> bool:
    """Whether as much beyond ASCII is good in `codec` as is bad."""
    text = stretch.decode(codec, "replace")
    bad = text.count(_NO_CHARACTER)
    return len(text) - len(text.encode("ascii", "ignore")) >= 2 * bad


def _reads_as_text(whole: str, length: int) -> bool:
    """Whether a stretch of the default set can be meant: in one of one byte, letters alone.

    There every byte is something, UTF-8 too: `ö` is `Ã¶`.
    """
    return len(whole) < length or all(one.isascii() or one.isalpha() for one in whole)


@lru_cache(maxsize=64)
def _bad_bytes_by(default: str) -> str:
    """The name of an error handler that reads what is bad, byte by byte, in `default`."""

    characters = [_byte(bytes((number,)), default) for number in range(256)]

    def read(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        bad = error.object[error.start : error.end]
        return "".join(characters[byte] for byte in bad), error.end

    name = f"dicom-{default}"
    codecs.register_error(name, read)
    return name


def _byte(byte: bytes, default: str) -> str:
    try:
        return byte.decode(default)
    except UnicodeDecodeError:
        return byte.decode(_LAST_RESORT)


class _Extended:
    """Reads a value with escape sequences: what is in G0 and G1 holds until the next one."""

    def __init__(self, named: Charset, kind: Kind) -> None:
        self._named = named
        self._kind = kind
        self._initial = named.codec if named.codec not in BY_ESCAPES_ALONE else "ascii"
        self._g0: Designation | None = None
        self._g1 = self._latest = self._initial
        self._is_utf_8 = self._is_g0_doubtful = False

    def decode(self, value: bytes) -> Iterator[str]:
        """The text, in parts."""
        for piece in ESCAPE.split(value):
            designation = BY_ESCAPE.get(piece)
            if designation:
                self._bring_in(designation)
            elif piece == UTF_8_ENDS:
                self._is_utf_8, self._g1 = False, self._initial
            elif piece:
                yield from self._decode_piece(piece)

    def _bring_in(self, designation: Designation) -> None:
        if designation.fills_g0 or designation.codec == "ascii":
            self._g0 = designation if designation.fills_g0 else None
            self._is_g0_doubtful = False
        else:
            # Some writers take it for the end of what fills G0 (pydicom does).
            self._is_g0_doubtful = True
            self._g1 = self._latest = designation.codec
            self._is_utf_8 = designation.codec == "utf-8"

    def _decode_piece(self, piece: bytes) -> Iterator[str]:
        if self._g0:
            text = self._decode_g0(piece, self._g0)
            if _NO_CHARACTER not in text or not self._is_g0_doubtful:
                yield text
                return
            self._g0 = None
        for part in stretches(piece, self._g1, self._kind):
            if is_reset(part, self._kind) and not self._is_utf_8:
                self._g1 = self._initial
            yield self._decode_g1(part)

    def _decode_g1(self, part: bytes) -> str:
        # Some writers do not repeat the escape sequence after a delimiter.
        codec = self._g1 if part.isascii() or self._g1 != "ascii" else self._latest
        try:
            return part.decode(codec)
        except UnicodeDecodeError:
            by = _Codecs.of(self._named, codec)
            # Brought in by an escape sequence: what is of another set then is but a part of it.
            is_meant = codec != self._initial and _is_mostly_of(codec, part)
            return _decode_stretch(part, by.alone if is_meant else by)

    def _decode_g0(self, piece: bytes, g0: Designation) -> str:
        try:
            return (g0.prefix + piece).decode(g0.codec)
        except UnicodeDecodeError:
            return "".join(self._decode_token(t, g0) for t in _G0_TOKENS[g0.width].findall(piece))

    def _decode_token(self, token: bytes, g0: Designation) -> str:
        """A character of G0, or what G0 has no say in: those of G1, blanks, half a character."""
        if not token.isascii():
            return self._decode_g1(token)
        if not b"\x20" < token[:1] < b"\x7f":
            return token.decode("ascii")
        if len(token) < g0.width:
            return _NO_CHARACTER if self._is_g0_doubtful else token.decode("ascii")
        try:
            return (g0.prefix + token).decode(g0.codec)
        except UnicodeDecodeError:
            return _NO_CHARACTER
