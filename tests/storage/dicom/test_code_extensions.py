"""Text in every Specific Character Set of PS3.3 C.12.1.1.2, and where it is damaged."""

import random
import unicodedata
from functools import cache

import pytest
from pydicom.charset import convert_encodings, encode_string
from pydicom.valuerep import PersonName

from storage.dicom.values.charset_terms import codec_of
from storage.dicom.values.charsets import charset, choose, decode, encode
from storage.dicom.values.code_extensions import DESIGNATIONS
from storage.dicom.values.conversion import decoded, to_bytes

ONE_BYTE = ("13", "100", "101", "109", "110", "126", "127", "138", "144", "148", "166", "203")
TWO_BYTES = ("58", "87", "149", "159")
ALONE = ("ISO_IR 192", "GB18030", "GBK")
COMBINED = [
    *(f"\\ISO 2022 IR {term}" for term in ONE_BYTE + TWO_BYTES),
    "ISO 2022 IR 6\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87",
    "ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159", "\\ISO 2022 IR 87\\ISO 2022 IR 149",
    "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", "ISO 2022 IR 101\\ISO 2022 IR 58",
    "ISO 2022 IR 166\\ISO 2022 IR 149\\ISO 2022 IR 87", "ISO 2022 IR 144\\ISO 2022 IR 13",
]  # fmt: skip
NAMED = [*(f"ISO_IR {term}" for term in ONE_BYTE), *ALONE, *COMBINED]


@cache
def repertoire(codec: str, escape: bytes = b"") -> list[str]:
    """The characters beyond ASCII that are of the set itself."""
    found = []
    for number in [*range(0xA0, 0xD800), *range(0xF900, 0xFFF0)]:
        character = chr(number)
        encoded = character.encode(codec, "ignore")
        bytes_of = 2 if codec in ("euc_kr", "gb2312") else 1
        if escape:
            is_held = encoded.startswith(escape) and encoded.count(b"\x1b") == 2
        else:
            of_length = codec in ("utf-8", "gb18030", "gbk") or len(encoded) == bytes_of
            is_held = of_length and encoded[:1] > b"\x7f"
        is_plain = unicodedata.normalize("NFC", character) == character
        if is_held and is_plain and not unicodedata.combining(character):
            found.append(character)
    return found


def characters(named: str) -> list[str]:
    terms = named.split("\\")
    if len(terms) == 1:
        return repertoire(codec_of(named))
    found = [
        repertoire(one.codec, one.prefix)
        for term in terms
        for one in DESIGNATIONS
        if one.term == term and one.codec != "ascii"
    ]
    return [random.Random(0).choice(one) for _ in range(300) for one in found]


def words(pool: list[str], source: random.Random) -> str:
    letters = [*source.choices(pool, k=6), *"Ab 1-"]
    return "".join(source.sample(letters, source.randint(1, 9))).strip()


def values(named: str, source: random.Random) -> dict[str, str]:
    """A name of three groups, some values, a text of some lines."""
    pool = characters(named)
    parts = [words(pool, source) for _ in range(20)]
    groups = ["^".join(parts[at : at + 2]) for at in (0, 2, 4)]
    lines = "\r\n".join(parts[10:14]) + "\\" + "\t".join(parts[14:17]) + "\f" + parts[18]
    return {"PN": "=".join(groups), "LO": "\\".join(parts[6:10]), "LT": lines, "UT": lines}


@pytest.mark.parametrize("named", NAMED)
def test_text_in_a_character_set_comes_back_and_is_answered_in_that(named: str) -> None:
    source = random.Random(named)
    for _ in range(20):
        for vr, text in values(named, source).items():
            text = unicodedata.normalize("NFC", text)
            assert choose([text], named) in (named, ""), text
            value = to_bytes(vr, text, charset(named))
            assert decoded(vr, value, charset(named, "ISO_IR 100")) == text.rstrip(" ")


WRITTEN_BY_PYDICOM = [
    *(f"ISO_IR {term}" for term in ONE_BYTE if term not in ("13", "203")), *ALONE,
    *(one for one in COMBINED if one.count("\\") == 1 and one[-2:] in ("87", "49", "59")),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("named", WRITTEN_BY_PYDICOM)
def test_what_pydicom_writes_in_a_character_set_is_read(named: str) -> None:
    codecs, source = convert_encodings(named.split("\\")), random.Random(named)
    for _ in range(20):
        held = values(named, source)
        name = unicodedata.normalize("NFC", held["PN"])
        assert decode(PersonName(name).encode(codecs), charset(named), person_name=True) == name
        several = held["LO"].split("\\")
        value = b"\\".join(encode_string(one, codecs) for one in several)
        assert decode(value, charset(named)).split("\\") == several


@pytest.mark.parametrize("one", DESIGNATIONS, ids=lambda one: str(one.escape))
def test_what_is_brought_in_is_the_set_of_its_term(one: object) -> None:
    """So that the first set is not brought in where it is in force."""
    assert one.codec in (codec_of(one.term), "ascii")  # type: ignore[attr-defined]


def test_the_first_set_is_brought_back_behind_another_one() -> None:
    named = charset("ISO 2022 IR 100\\ISO 2022 IR 144")
    assert encode("éИé", named) == b"\xe9\x1b-L\xb8\x1b-A\xe9"
    assert decode(encode("éИé", named), named) == "éИé"


def test_a_backslash_in_a_long_text_is_no_delimiter() -> None:
    named = charset("ISO 2022 IR 100\\ISO 2022 IR 144")
    value = b"\x1b-L\xb8\\\xb8\r\n\xe9"
    assert decoded("LT", value, named) == "И\\И\r\né"
    assert decoded("LO", value, named) == "И\\\u00b8\r\né"


def trailing(codec: str, byte: int) -> str:
    """A character of two bytes, the second one `byte`."""
    pairs = (bytes((first, byte)).decode(codec, "ignore") for first in range(0x81, 0xFD))
    return next(pair for pair in pairs if len(pair) == 1 and pair > "\x7f")


@pytest.mark.parametrize("delimiter", b"\\^@|}~")
@pytest.mark.parametrize(("named", "codec"), [
    ("GB18030", "gb18030"), ("GBK", "gbk"), ("ISO_IR 13", "shift_jis"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "shift_jis"),
])  # fmt: skip
@pytest.mark.parametrize("default", ["ISO_IR 100", "ISO_IR 192", "ISO_IR 6"])
def test_a_character_whose_second_byte_is_a_delimiters_is_whole_where_another_is_bad(
    named: str, codec: str, delimiter: int, default: str
) -> None:
    name = trailing(codec, delimiter) + "^A"
    for person_name in (True, False):
        text = decode(name.encode(codec) + b"=B\xff", charset(named, default), person_name)
        assert text == name + "=Bÿ"


def test_no_delimiter_is_found_inside_what_fills_g0() -> None:
    """`'^`, `=\\` and `!=` are kanji and signs of JIS X 0208 there."""
    named = charset("\\ISO 2022 IR 87")
    value = b"A=\x1b$B" + b"'^=\\!=" + b"\x1b(B^B"
    text = decode(value, named, person_name=True)
    assert (text[:2], text[-2:], len(text)) == ("A=", "^B", 7)
    assert not {"\\", "^", "="} & set(text[2:5])
    # One that is none spoils neither the others nor what is divided by delimiters.
    damaged = decode(value.replace(b"=\\", b"|\\"), named, person_name=True)
    assert damaged == text[:3] + "\ufffd" + text[4:]


UTF_8_NAME = "Müller^Jörg".encode()


@pytest.mark.parametrize(("value", "named", "default", "text"), [
    # Only the byte that is bad is read by the default set.
    (b"M\xfcl" + "é^A".encode(), "ISO_IR 192", "ISO_IR 100", "Mülé^A"),
    (b"M\xfcl" + "é^A".encode(), "ISO_IR 192", "ISO_IR 144", "Mќlé^A"),
    (UTF_8_NAME + b"\xc3", "ISO_IR 192", "ISO_IR 100", "Müller^JörgÃ"),
    (UTF_8_NAME + b"\xc3 ", "ISO_IR 192", "ISO_IR 100", "Müller^JörgÃ "),
    (UTF_8_NAME + b"\xe5\xb1", "ISO_IR 192", "ISO_IR 6", "Müller^Jörgå±"),
    ("Jör".encode() + b"\xfc\xe9\xe8", "ISO_IR 192", "ISO_IR 100", "Jörüéè"),
    (b"M\xfcller^J\xf6rg=" + UTF_8_NAME, "ISO_IR 192", "ISO_IR 100", "Müller^Jörg=Müller^Jörg"),
    ("头颅平扫".encode("gbk")[:-1], "GB18030", "ISO_IR 100", "头颅平É"),
    ("王^小东".encode("gbk")[:-1] + b"\0", "GBK", "ISO_IR 100", "王^小¶\0"),
    ("김^희중".encode("euc_kr") + b"\xff", "ISO 2022 IR 149", "ISO_IR 100", "김^희중ÿ"),
    ("שרון".encode("iso8859-8") + b"\xbf\xc0", "ISO_IR 138", "ISO_IR 100", "שרון¿À"),
    # What is of the default set as a whole is read by that.
    ("СТЕПАНОВА".encode("iso8859-5"), "ISO_IR 192", "ISO_IR 144", "СТЕПАНОВА"),
    ("Διονυσιος".encode("iso8859-7"), "ISO_IR 192", "ISO_IR 126", "Διονυσιος"),
    ("王^小东".encode("gbk"), "ISO_IR 192", "GB18030", "王^小东"),
    ("乗^小东".encode("gbk"), "ISO_IR 192", "GBK", "乗^小东"),
    (UTF_8_NAME, "ISO_IR 6", "ISO_IR 192", "Müller^Jörg"),
    # One that an escape sequence brought in is read as far as it is good.
    (b"\x1b$)C" + "김희".encode("euc_kr") + b"\xb6^A", "ISO 2022 IR 126\\ISO 2022 IR 149",
     "ISO_IR 100", "김희¶^A"),
    (b"\x1b$)A" + "朱镕".encode("gbk") + b"^A", "ISO 2022 IR 144\\ISO 2022 IR 58",
     "ISO_IR 100", "朱镕^A"),
    (b"\x1b$)C\xda\xa2p\xce", "ISO 2022 IR 13\\ISO 2022 IR 149", "ISO_IR 100", "紊pÎ"),
    # Not what is of the named set but for a byte, where the default set is of several bytes.
    (UTF_8_NAME + b"\xc3", "ISO_IR 192", "GB18030", "Müller^JörgÃ"),
    ("山田^太郎".encode() + b"\xfcA", "ISO_IR 192", "GB18030", "山田^太郎üA"),
    (UTF_8_NAME + b"\xfc", "", "ISO_IR 192", "Müller^Jörgü"),
    # The larger set that is written where the smaller one is named.
    ("髙橋^A".encode("cp932"), "ISO_IR 13", "ISO_IR 100", "髙橋^A"),
    ("똠^방각하".encode("cp949"), "\\ISO 2022 IR 149", "ISO_IR 100", "똠^방각하"),
    ("镕^朱".encode("gbk"), "GB2312", "ISO_IR 100", "镕^朱"),
    (b"Rong=\x1b$)A" + "镕^朱".encode("gbk"), "\\ISO 2022 IR 58", "ISO_IR 100", "Rong=镕^朱"),
])  # fmt: skip
def test_what_is_bad_in_the_named_set_and_only_that_is_read_by_the_default_one(
    value: bytes, named: str, default: str, text: str
) -> None:
    assert decode(value, charset(named, default), person_name=True) == text


@pytest.mark.parametrize(("value", "text"), [
    (b"Yamada^Tarou=\x1b$@;3ED\x1b(J^\x1b$@B@O:\x1b(J", "Yamada^Tarou=山田^太郎"),
    (b"Yamada^Tarou=\x1b$(B;3ED\x1b(H^\x1b$(@B@O:\x1b(H", "Yamada^Tarou=山田^太郎"),
    (b"\x1b(I\x54\x4f\x40\x5e\x1b(J^\x1b(I\x40\x5b\x33\x1b(J", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (b"Zhang=\x1b$A\x55\x45\x1b(B", "Zhang=张"),
    (b"Hong=\x1b$(C\x7b\x73\x1b(B", "Hong=洪"),
    (b"\x1b%GM\xc3\xbcller^J\xc3\xb6rg\x1b%@=\xfc", "Müller^Jörg=ü"),
    # One that brings nothing in is dropped: no other character set has it.
    (b"A\x1bB\x1b", "AB"),
    # Without its end, and half a character; with katakana in G1.
    (b"\x1b$B;3ED^\x1b$BB@O:", "山田^太郎"),
    (b"\x1b$B;3\xc0\xdeED\x1b(J", "山ﾀﾞ田"),
    # G1 brought in for the end of what filled G0, as pydicom writes it.
    (b"\x1b$B;3ED\x1b-A\xe9t^B", "山田ét^B"),
])  # fmt: skip
def test_escape_sequences_are_read_by_their_meaning(value: bytes, text: str) -> None:
    for named in ("", "ISO 2022 IR 13\\ISO 2022 IR 87"):
        default = "ISO_IR 13" if not named and b"\xc0" in value else "ISO_IR 100"
        if named and b"\xfc" in value:
            continue
        assert decode(value, charset(named, default), person_name=True) == text


@pytest.mark.parametrize(("asked", "text", "named"), [
    ("ISO 2022 IR 100", "é", "ISO_IR 100"), ("ISO 2022 IR 87", "山", "\\ISO 2022 IR 87"),
    ("ISO_IR 149", "김", "\\ISO 2022 IR 149"), ("GB2312", "王", "\\ISO 2022 IR 58"),
    ("ISO 2022 IR 149\\ISO 2022 IR 100", "김", "\\ISO 2022 IR 149\\ISO 2022 IR 100"),
    ("ISO 2022 IR 13\\\\ISO 2022 IR 87", "山", "ISO 2022 IR 13\\ISO 2022 IR 87"),
    ("\\\\ISO 2022 IR 87", "山", "\\ISO 2022 IR 87"), ("\\ISO 2022 IR 6", "é", "ISO_IR 192"),
    ("ISO 2022 GBK", "王", "GBK"), ("ISO 2022 58", "王", "\\ISO 2022 IR 58"),
    ("ISO 2022 IR 6", "é", "ISO_IR 192"), ("\\ISO 2022 IR 87\\ISO 2022 IR 87", "山", "ISO_IR 192"),
    # Their bytes in ISO-IR 14 are those of `\\` and `~`.
    ("ISO_IR 13", "A¥B^C", "ISO_IR 192"), ("ISO_IR 13", "‾", "ISO_IR 192"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "A¥B", "ISO_IR 192"),
    ("\\ISO 2022 IR 13", "¥", "ISO_IR 192"),
    ("ISO 2022 IR 13\\ISO 2022 IR 100", "¥", "ISO 2022 IR 13\\ISO 2022 IR 100"),
])  # fmt: skip
def test_an_answer_names_what_may_stand_in_a_data_set(asked: str, text: str, named: str) -> None:
    assert choose([text], asked) == named
    encoded = encode(text, charset(named))
    assert decode(encoded, charset(named)) == text
    assert not set(b"\\~") & set(encoded)
