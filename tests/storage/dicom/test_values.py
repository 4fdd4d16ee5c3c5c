"""Element values: bytes to text and back, in every VR and character set that matters."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from storage.dicom.values.charsets import Charset, charset, choose, decode, encode
from storage.dicom.values.conversion import (
    element,
    is_number,
    split,
    strip,
    text_of,
    to_bytes,
    vr_of,
)

CHARSET_FILES = Path(pydicom.data.__file__).parent / "charset_files"
LATIN_1, UTF_8 = charset("ISO_IR 100"), charset("ISO_IR 192")
LO = 0x00081030  # Study Description, for values of any VR that the data set tells


def raw(vr: str | None, value: bytes | None, tag: int = LO) -> RawDataElement:
    length = len(value or b"")
    return RawDataElement(Tag(tag), vr, length, value, 0, vr is None, True)


# ---- bytes to text, by VR

BY_VR = [
    ("AE", b" STORE SCP ", "STORE SCP"),
    ("AS", b"045Y", "045Y"),
    ("CS", b" ORIGINAL\\PRIMARY ", "ORIGINAL\\PRIMARY"),
    ("DA", b"20240131", "20240131"),
    ("DS", b" 1.50 \\-2e3 ", "1.50\\-2e3"),
    ("DT", b"20240131103000.5+0100 ", "20240131103000.5+0100"),
    ("IS", b" 12 ", "12"),
    ("LO", b" CHEST PA  ", "CHEST PA"),
    ("LT", b"  in front counts, behind not  ", "  in front counts, behind not"),
    ("PN", b"Doe^Jane ", "Doe^Jane"),
    ("SH", b"A1\\ B2 ", "A1\\B2"),
    ("ST", b" a\\b ", " a\\b"),
    ("TM", b"103000.000000 ", "103000.000000"),
    ("UC", b" long ", " long"),
    ("UI", b"1.2.3\0", "1.2.3"),
    ("UI", b"1.2.3 ", "1.2.3"),
    ("UI", b"1.2\\1.3\0", "1.2\\1.3"),
    ("UR", b"http://host/a ", "http://host/a"),
    ("UT", b" text\r\n ", " text\r\n"),
    ("US", struct.pack("<2H", 0, 65535), "0\\65535"),
    ("SS", struct.pack("<h", -5), "-5"),
    ("UL", struct.pack("<I", 2**32 - 1), "4294967295"),
    ("SL", struct.pack("<i", -(2**31)), "-2147483648"),
    ("UV", struct.pack("<Q", 2**64 - 1), "18446744073709551615"),
    ("SV", struct.pack("<q", -(2**63)), "-9223372036854775808"),
    ("FL", struct.pack("<f", 0.5), "0.5"),
    ("FD", struct.pack("<2d", 1.25, -3.0), "1.25\\-3.0"),
    ("AT", struct.pack("<4H", 0x0008, 0x0020, 0x7FE0, 0x0010), "00080020\\7FE00010"),
]


@pytest.mark.parametrize(("vr", "value", "text"), BY_VR)
def test_a_value_is_read_by_its_vr(vr: str, value: bytes, text: str) -> None:
    assert text_of(raw(vr, value), LATIN_1) == text


@pytest.mark.parametrize(("vr", "value", "text"), [
    ("US", struct.pack(">2H", 1, 512), "1\\512"),
    ("SS", struct.pack(">h", -5), "-5"),
    ("UL", struct.pack(">I", 70000), "70000"),
    ("FD", struct.pack(">d", 1.25), "1.25"),
    ("AT", struct.pack(">2H", 0x7FE0, 0x0010), "7FE00010"),
    ("LO", b"CHEST ", "CHEST"),
])  # fmt: skip
def test_a_value_is_read_in_big_endian(vr: str, value: bytes, text: str) -> None:
    assert text_of(raw(vr, value), LATIN_1, little_endian=False) == text


@pytest.mark.parametrize("vr", ["LO", "PN", "US", "AT", "UI", "DA", "UN", None])
@pytest.mark.parametrize("value", [b"", None])
def test_an_absent_value_is_no_text(vr: str | None, value: bytes | None) -> None:
    assert text_of(raw(vr, value), LATIN_1) == ""


@pytest.mark.parametrize(("vr", "value", "text"), [
    ("US", b"\1\0\2", "1"),
    ("US", b"\1", ""),
    ("FD", b"1234567", ""),
    ("AT", b"\x08\0\x20\0\x10\0", "00080020"),
])  # fmt: skip
def test_of_numbers_that_are_cut_short_the_whole_ones_are_read(
    vr: str, value: bytes, text: str
) -> None:
    assert text_of(raw(vr, value), LATIN_1) == text


@pytest.mark.parametrize(("vr", "tag", "expected"), [
    ("UN", 0x00100010, "PN"),  # known to PS3.6
    (None, 0x00100010, "PN"),  # implicit VR
    (None, 0x00280010, "US"),
    (None, 0x00280106, "US"),  # US or SS
    ("UN", 0x00091001, "UN"),  # private
    (None, 0x00091001, "UN"),
    ("LO", 0x00100010, "LO"),  # what the data set says counts
])  # fmt: skip
def test_the_vr_is_the_dictionarys_where_the_data_set_does_not_say(
    vr: str | None, tag: int, expected: str
) -> None:
    assert vr_of(raw(vr, b"x", tag)) == expected


def test_text_in_un_with_a_known_tag_is_read_as_what_it_is() -> None:
    assert text_of(raw("UN", b"M\xfcller^J\xf6rg", 0x00100010), LATIN_1) == "Müller^Jörg"
    assert text_of(raw("UN", b"\x00\x02", 0x00280010), LATIN_1) == "512"


@pytest.mark.parametrize(("vr", "text", "stripped"), [
    ("LO", " a ", "a"),
    ("LO", " a \\ b ", "a\\b"),
    ("LO", "a\\\\b", "a\\\\b"),
    ("LO", "   ", ""),
    ("UI", "1.2\0\0", "1.2"),
    ("LT", " a \\ b ", " a \\ b"),
    ("UC", " a ", " a"),
    ("PN", " Doe^Jane ", "Doe^Jane"),
])  # fmt: skip
def test_padding_goes_and_nothing_else(vr: str, text: str, stripped: str) -> None:
    assert strip(vr, text) == stripped


def test_a_backslash_separates_values_but_not_in_long_text() -> None:
    assert split("LO", "a\\b") == ["a", "b"]
    assert [split(vr, "a\\b") for vr in ("LT", "ST", "UT", "UR")] == [["a\\b"]] * 4
    assert split("LO", "") == [""]


def test_binary_numbers_are_known() -> None:
    numbers = ("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD")
    assert all(map(is_number, numbers))
    assert not any(map(is_number, ("DS", "IS", "AT", "LO", "OW", "UN")))


# ---- character sets

TAROU = "Yamada^Tarou=山田^太郎=やまだ^たろう"
JIS = (
    b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    b"=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
)  # PS3.5 H.3.1
KANA = (
    b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
    b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
)  # PS3.5 H.3.2
HANGUL = (
    b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
    b"=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
)  # PS3.5 I.2
NAMES = [
    ("ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
    ("ISO_IR 101", "Wałęsa^Łukasz".encode("iso8859-2"), "Wałęsa^Łukasz"),
    ("ISO_IR 144", "Санкт".encode("iso8859-5"), "Санкт"),
    ("ISO_IR 126", "Διονυσιος".encode("iso8859-7"), "Διονυσιος"),
    ("ISO_IR 127", "قباني^لنزار".encode("iso8859-6"), "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה".encode("iso8859-8"), "שרון^דבורה"),
    ("ISO_IR 166", "นามสกุล".encode("tis-620"), "นามสกุล"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ("ISO_IR 192", TAROU.encode(), TAROU),
    ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    ("GBK", "Wang^XiaoDong=王^小东".encode("gbk"), "Wang^XiaoDong=王^小东"),
    ("\\ISO 2022 IR 87", JIS, TAROU),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", JIS, TAROU),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", KANA, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 149", HANGUL, "Hong^Gildong=洪^吉洞=홍^길동"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144", b"Dionys\xe9^\x1b-L\xbb\xee", "Dionysé^Лю"),
    ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang=张^小东"),
]  # fmt: skip


@pytest.mark.parametrize(("named", "value", "name"), NAMES, ids=[row[0] for row in NAMES])
def test_a_name_is_read_in_its_character_set(named: str, value: bytes, name: str) -> None:
    assert text_of(raw("PN", value, 0x00100010), charset(named)) == name


@pytest.mark.parametrize(("named", "value", "name"), NAMES, ids=[row[0] for row in NAMES])
def test_what_was_read_can_be_written_in_its_character_set(
    named: str, value: bytes, name: str
) -> None:
    written = to_bytes("PN", name, charset(named))
    assert text_of(raw("PN", written, 0x00100010), charset(named)) == name


WITH_A_NAME = [p for p in sorted(CHARSET_FILES.glob("*.dcm")) if 0x00100010 in dcmread(p)]


@pytest.mark.parametrize("path", WITH_A_NAME, ids=[path.name for path in WITH_A_NAME])
def test_names_of_pydicoms_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    data_set = dcmread(path)
    named = data_set.get("SpecificCharacterSet", "")
    terms = named if isinstance(named, str) else "\\".join(named)
    held = dcmread(path).get_item(0x00100010)
    assert isinstance(held, RawDataElement)
    # pydicom drops the delimiter of an empty group.
    assert text_of(held, charset(terms)).rstrip("=") == str(data_set.PatientName)


@pytest.mark.parametrize(("named", "default", "text"), [
    ("", "ISO_IR 100", "Müller"),
    ("", "ISO_IR 101", "Müller"),
    ("", "ISO_IR 144", "Mќller"),
    ("ISO_IR 100", "ISO_IR 144", "Müller"),
    ("ISO_IR 999", "ISO_IR 100", "Müller"),  # a term that nobody knows
    ("no term", "ISO_IR 144", "Mќller"),
    ("\\", "ISO_IR 100", "Müller"),
])  # fmt: skip
def test_the_default_stands_for_a_character_set_that_is_not_named_or_unknown(
    named: str, default: str, text: str
) -> None:
    assert text_of(raw("LO", b"M\xfcller"), charset(named, default)) == text


@pytest.mark.parametrize(("named", "default", "text"), [
    ("ISO_IR 192", "ISO_IR 100", "Müller"),  # not UTF-8
    ("ISO_IR 6", "ISO_IR 6", "Müller"),  # not ASCII: the last resort
    ("", "ISO_IR 6", "Müller"),
    ("ISO_IR 192", "ISO_IR 6", "Müller"),
    ("\\ISO 2022 IR 87", "ISO_IR 100", "Müller"),
    ("ISO_IR 192", "ISO_IR 144", "Mќller"),
])  # fmt: skip
def test_a_wrong_character_set_drops_no_text(named: str, default: str, text: str) -> None:
    assert text_of(raw("LO", b"M\xfcller"), charset(named, default)) == text


TERMS = st.sampled_from([
    "", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192", "GB18030", "ISO_IR 13", "ISO_IR 138", "unknown",
    "\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "\\ISO 2022 IR 58",
])  # fmt: skip
ESCAPES = st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b", b"^", b"=", b"\\", b"ab"])
ANY_BYTES = st.lists(st.one_of(st.binary(max_size=4), ESCAPES), max_size=8).map(b"".join)


@settings(deadline=None, database=None)
@given(ANY_BYTES, TERMS, TERMS, st.sampled_from(["PN", "LO", "LT"]))
def test_any_bytes_are_text_in_any_character_set(
    value: bytes, named: str, default: str, vr: str
) -> None:
    """Nothing is raised and nothing vanishes."""
    default = default if "\\" not in default and default not in ("", "unknown") else "ISO_IR 100"
    text = text_of(raw(vr, value), charset(named, default))
    if b"\x1b" not in value and value.isascii():
        assert text == strip(vr, value.decode())
    assert text or b"\x1b" in value or not value.strip(b" \0\\")


def test_text_comes_in_composed_form() -> None:
    assert decode("Mu\u0308ller".encode(), UTF_8) == "Müller"


# ---- text to bytes


@pytest.mark.parametrize(("vr", "text", "value"), [
    ("LO", "abc", b"abc "),
    ("LO", "abcd", b"abcd"),
    ("UI", "1.2.3", b"1.2.3\0"),
    ("UI", "1.20", b"1.20"),
    ("LO", "", b""),
    ("US", "1\\512", struct.pack("<2H", 1, 512)),
    ("FD", "1.25", struct.pack("<d", 1.25)),
    ("SS", "-5", struct.pack("<h", -5)),
    ("AT", "00080020\\7FE00010", struct.pack("<4H", 8, 0x20, 0x7FE0, 0x10)),
    ("US", "", b""),
    ("US", "text", b""),
    ("US", "70000", b""),
])  # fmt: skip
def test_text_becomes_a_value_of_even_length(vr: str, text: str, value: bytes) -> None:
    assert to_bytes(vr, text, LATIN_1) == value


def test_numbers_are_written_in_big_endian_too() -> None:
    assert to_bytes("US", "1", LATIN_1, little_endian=False) == b"\0\1"
    assert to_bytes("AT", "7FE00010", LATIN_1, little_endian=False) == b"\x7f\xe0\0\x10"


def test_text_that_a_character_set_cannot_hold_is_refused() -> None:
    for named in ("ISO_IR 100", "ISO 2022 IR 100\\ISO 2022 IR 144", "ISO_IR 6"):
        with pytest.raises(UnicodeEncodeError):
            encode("山田", charset(named))


ROUND_TRIP: list[tuple[str, str, str, Any]] = [
    # keyword's tag, VR, text, what pydicom reads
    ("StudyDescription", "LO", "Schädel", "Schädel"),
    ("PatientName", "PN", "Müller^Jörg", "Müller^Jörg"),
    ("StudyDate", "DA", "20240131", "20240131"),
    ("SOPInstanceUID", "UI", "1.2.3", "1.2.3"),
    ("Rows", "US", "512", 512),
    ("PixelSpacing", "DS", "0.5\\0.25", [0.5, 0.25]),
    ("ImageType", "CS", "ORIGINAL\\PRIMARY", ["ORIGINAL", "PRIMARY"]),
    ("FrameIncrementPointer", "AT", "00181063", 0x00181063),
    ("TextValue", "UT", "a\\b", "a\\b"),
    ("RetrieveURL", "UR", "http://host/a", "http://host/a"),
    ("StudyDescription", "LO", "", ""),
]
# implicit VR, little endian
ENCODINGS = {"implicit": (True, True), "explicit": (False, True), "big endian": (False, False)}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("keyword", "vr", "text", "expected"), ROUND_TRIP)
def test_pydicom_reads_what_was_written(
    keyword: str, vr: str, text: str, expected: Any, encoding: str
) -> None:
    implicit, little = ENCODINGS[encoding]
    data = element(0x00080005, "CS", b"ISO_IR 100", implicit, little)
    tag = Tag(keyword)
    data += element(tag, vr, to_bytes(vr, text, LATIN_1, little), implicit, little)
    read = read_dataset(BytesIO(data), implicit, little)
    assert getattr(read, keyword) == expected
    assert str(read[tag].VR) == vr


@pytest.mark.parametrize("vr", ["LO", "UI", "US", "UT", "OW", "UN"])
def test_a_long_value_keeps_its_length(vr: str) -> None:
    """Beyond 64 KB a VR with a length of 16 bits becomes UN (PS3.5 6.2.2)."""
    value = b"1.2.3.4." * 10_000
    read = read_dataset(BytesIO(element(LO, vr, value)), False, True)
    held = read.get_item(LO)
    assert isinstance(held, RawDataElement)
    assert (held.VR, held.value) == (vr if vr in ("UT", "OW", "UN") else "UN", value)


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\=^"))


@settings(deadline=None, database=None)
@given(TEXT, st.sampled_from(["", *(row[0] for row in NAMES)]))
def test_any_text_comes_back_from_the_character_set_that_was_chosen_for_it(
    text: str, asked: str
) -> None:
    text = decode(text.encode(), UTF_8)
    named = charset(choose([text], asked))
    for vr in ("LO", "PN"):
        assert text_of(raw(vr, to_bytes(vr, text, named)), named) == strip(vr, text)


@pytest.mark.parametrize(("texts", "asked", "term"), [
    (["Doe"], "", ""),
    (["Doe"], "ISO_IR 100", ""),
    ([], "ISO_IR 100", ""),
    (["Doe", "Müller"], "ISO_IR 100", "ISO_IR 100"),
    (["Müller"], "", "ISO_IR 192"),
    (["Müller"], "ISO_IR 144", "ISO_IR 192"),
    (["Müller", "山田"], "ISO_IR 100", "ISO_IR 192"),
    ([TAROU], "\\ISO 2022 IR 87", "\\ISO 2022 IR 87"),
    (["Müller"], "nobody knows it", "ISO_IR 192"),
    (["Müller"], "ISO_IR 100\\unknown", "ISO_IR 192"),
])  # fmt: skip
def test_a_character_set_is_chosen_that_holds_the_text(
    texts: list[str], asked: str, term: str
) -> None:
    assert choose(texts, asked) == term


def test_a_character_set_knows_its_code_extensions() -> None:
    assert charset("ISO 2022 IR 100").extended
    assert charset("\\ISO 2022 IR 87").extended
    assert not charset("ISO_IR 192").extended
    assert isinstance(charset(""), Charset)
    assert charset(" ISO_IR 100 ") == charset("ISO_IR 100")
