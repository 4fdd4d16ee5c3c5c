"""Specific Character Set as equipment writes it, and text that it does not quite fit."""

import unicodedata

import pytest

from storage.dicom.values.charsets import charset, choose, decode, defined_terms, encode

NAMED = {
    "ISO_IR 192": "ISO_IR 192", "ISO IR 192": "ISO_IR 192", "ISO-IR 192": "ISO_IR 192",
    "ISO_IR_192": "ISO_IR 192", "iso_ir 192": "ISO_IR 192", "ISOIR192": "ISO_IR 192",
    "UTF-8": "ISO_IR 192", "utf8": "ISO_IR 192", "\\ISO_IR 192": "ISO_IR 192",
    "ISO_IR 192\\": "ISO_IR 192", "ISO_IR 192 ": "ISO_IR 192", "ISO 2022 IR 192": "ISO_IR 192",
    "ISO_IR 100\\ISO_IR 192": "ISO_IR 192", "gb18030": "GB18030", "\\GB18030": "GB18030",
    "ISO_IR 126": "ISO_IR 126", "ISO IR 126": "ISO_IR 126", "ISO-8859-7": "ISO_IR 126",
    "ISO8859-1": "ISO_IR 100", "latin1": "ISO_IR 100", "ISO_2022_IR_101": "ISO 2022 IR 101",
    "ISO_IR 149": "ISO 2022 IR 149", "EUC-KR": "ISO 2022 IR 149", "GB2312": "ISO 2022 IR 58",
    "SHIFT_JIS": "ISO_IR 13", "": "", "ISO_IR 6": "ISO_IR 6",
    "ISO_IR 13\\ISO_IR 87": "ISO 2022 IR 13\\ISO 2022 IR 87",
    "\\ISO 2022 IR 87": "\\ISO 2022 IR 87", "\\ISO_IR_87": "\\ISO 2022 IR 87",
    "IR 192": "ISO_IR 192", "ISO/IR 192": "ISO_IR 192", "\tISO_IR\xa0192": "ISO_IR 192",
    "CP65001": "ISO_IR 192", "Unicode (UTF-8)": "ISO_IR 192", "GB18030-2000": "GB18030",
    "CP936": "GBK", "UHC": "ISO 2022 IR 149", "SJIS": "ISO_IR 13", "ISO-8859-8-I": "ISO_IR 138",
    "WINDOWS-1252": "WINDOWS1252", "cp1251": "CP1251", "Big5": "BIG5", "ISO_IR 999": "ISO_IR 999",
}  # fmt: skip


@pytest.mark.parametrize("named", NAMED)
def test_a_term_is_what_it_means_however_it_is_written(named: str) -> None:
    assert "\\".join(defined_terms(named)) == NAMED[named]


@pytest.mark.parametrize(("named", "text", "codec"), [
    ("ISO IR 192", "Müller^Jörg", "utf-8"), ("\\ISO_IR 192", "Müller^Jörg", "utf-8"),
    ("ISO_2022_IR_101", "Kováčová^Žofie", "iso8859-2"), ("ISO IR 126", "Διονυσιος", "iso8859-7"),
    ("ISO_IR 149", "김^희중", "euc_kr"), ("GB2312", "王^小东", "gb2312"),
    ("ISO 2022 IR 6\\ISO 2022 IR 149", "김^희중", "euc_kr"),  # and no escape sequence
    ("SHIFT_JIS", "ﾔﾏﾀﾞ^ﾀﾛｳ", "shift_jis"),
    # Sets that PS3.3 C.12.1.1.2 does not have.
    ("windows-1250", "Žižka^Łukáš", "cp1250"), ("CP1251", "Петров^Иван", "cp1251"),
    ("KOI8-R", "Петров^Иван", "koi8_r"), ("EUC-JP", "山田^太郎", "euc_jp"),
    ("Big5", "王^小明", "cp950"), ("CP950", "許^功蓋", "cp950"),  # whose second byte is a backslash
])  # fmt: skip
def test_text_is_read_by_a_term_that_is_written_otherwise(
    named: str, text: str, codec: str
) -> None:
    expected = unicodedata.normalize("NFC", text)
    assert decode(text.encode(codec), charset(named), person_name=True) == expected


@pytest.mark.parametrize("named", ["windows-1251", "Big5", "EUC-JP", "windows-1252", "KOI8-R"])
def test_no_answer_names_a_set_that_dicom_does_not_have(named: str) -> None:
    assert choose(["Петров^Иван"], named) == "ISO_IR 192"
    assert choose(["Müller"], named) == "ISO_IR 192"


@pytest.mark.parametrize(("value", "named", "text"), [
    # A name of 64 bytes that was cut within a character, and padded.
    ("Müller^Jö".encode()[:-1] + b" ", "ISO_IR 192", "Müller^JÃ"),
    ("山田^太郎=".encode() + b"\xfcber", "ISO_IR 192", "山田^太郎=über"),
    (b"M\xfcller^J\xf6rg", "ISO_IR 192", "Müller^Jörg"),
    ("Müller".encode() + b"^\xe9t\xe9", "ISO_IR 192", "Müller^été"),
    (b"\xb1\xe8^\xff", "ISO 2022 IR 149", "김^ÿ"),
])  # fmt: skip
def test_a_stretch_that_cannot_be_read_spoils_nothing_else(
    value: bytes, named: str, text: str
) -> None:
    assert decode(value, charset(named), person_name=True).startswith(text)


def test_what_the_default_set_can_read_is_read_by_that() -> None:
    assert decode(b"Kov\xe1\xe8ov\xe1", charset("ISO_IR 192", "ISO_IR 101")) == "Kováčová"


@pytest.mark.parametrize(("text", "asked", "named"), [
    ("山田", "ISO_IR 13", "ISO_IR 192"),  # its codec knows kanji, the set does not
    ("ﾔﾏﾀﾞ", "ISO_IR 13", "ISO_IR 13"),
    ("山田", "ISO 2022 IR 13\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87"),
    ("Müller", "\\ISO 2022 IR 159", "\\ISO 2022 IR 159"),  # JIS X 0212 has it; its codec too,
    # and escapes of other sets
    ("김희중", "\\ISO 2022 IR 159", "ISO_IR 192"), ("王", "\\ISO 2022 IR 149", "\\ISO 2022 IR 149"),
    ("丂", "\\ISO 2022 IR 159", "\\ISO 2022 IR 159"), ("¥", "\\ISO 2022 IR 87", "ISO_IR 192"),
    ("Müller", "ISO IR 100", "ISO_IR 100"), ("Müller", "latin1", "ISO_IR 100"),
    ("Müller", "ISO_IR 100\\ISO_IR 100", "ISO_IR 192"),
    ("Müller", "ISO_IR 999", "ISO_IR 192"), ("똠", "ISO 2022 IR 149", "ISO_IR 192"),
    ("Müller", "ISO_IR 100\\ISO_IR 192", "ISO_IR 192"), ("Muller", "ISO_IR 100", ""),
])  # fmt: skip
def test_an_answer_names_a_set_that_holds_it_and_that_there_is(
    text: str, asked: str, named: str
) -> None:
    assert choose([text], asked) == named
    if named:
        assert decode(encode(text, charset(named)), charset(named)) == text
