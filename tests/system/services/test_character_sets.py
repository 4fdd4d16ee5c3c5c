"""Every Specific Character Set of PS3.3 C.12.1.1.2, stored and asked for through associations."""

from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_FIND
from support import (
    CT,
    EXPLICIT,
    FIND,
    RunningNode,
    accepted,
    at_rest,
    client,
    ct,
    encoded,
    identifier,
    keys,
    next_message,
    running_node,
    send,
)

from storage.dicom.values import element

UTF_8 = "ISO_IR 192"
CHARSET, PATIENT_ID = 0x00080005, 0x00100020
NAME, DESCRIPTION, COMMENTS = 0x00100010, 0x00081030, 0x00204000
_VRS = {NAME: "PN", DESCRIPTION: "LO", COMMENTS: "LT"}


class Stored(NamedTuple):
    """A name, several descriptions and comments of two lines, as bytes and as text."""

    charset: str
    name: bytes
    name_text: str
    several: bytes = b"A\\B"
    several_text: str = "A\\B"
    comments: bytes = b"a\r\nb"
    comments_text: str = "a\r\nb"


def of_one_codec(charset: str, codec: str, name: str, word: str) -> Stored:
    several, comments = f"{word}\\A {word}", f"{word} 1\r\n{word}\\2"
    return Stored(
        charset, name.encode(codec), name, several.encode(codec), several,
        comments.encode(codec), comments,
    )  # fmt: skip


# Of PS3.5 H.3, I.2, K.2, and of the same make.
STORED = [
    of_one_codec("ISO_IR 100", "latin-1", "Buc^Jérôme=Ä^Ö=ß", "Schädel"),
    of_one_codec("ISO_IR 101", "iso8859-2", "Wałęsa^Łukasz=Ž^Č", "Płuca"),
    of_one_codec("ISO_IR 109", "iso8859-3", "Ġorġ^Ħal=Ĝ", "Ċavetta"),
    of_one_codec("ISO_IR 110", "iso8859-4", "Bērziņš^Ģirts=Ķ", "Plaušas"),
    of_one_codec("ISO_IR 144", "iso8859-5", "Люксембург=Иван^Ё", "Грудь"),
    of_one_codec("ISO_IR 127", "iso8859-6", "قباني^لنزار", "صدر"),
    of_one_codec("ISO_IR 126", "iso8859-7", "Διονυσιος=Ά^Ώ", "Θώρακας"),
    of_one_codec("ISO_IR 138", "iso8859-8", "שרון^דבורה", "חזה"),
    of_one_codec("ISO_IR 148", "iso8859-9", "Çelik^İnci=Ş^ğ", "Göğüs"),
    of_one_codec("ISO_IR 203", "iso8859-15", "Œuvre^Š=€^Ÿ", "Cœur"),
    of_one_codec("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ=ｱ=ﾝ", "ﾑﾈ"),
    of_one_codec("ISO_IR 166", "tis-620", "นามสกุล^ชื่อ", "อก"),
    of_one_codec(UTF_8, "utf-8", "Wang^XiaoDong=王^小東=☃^😀", "頭部"),
    # The second byte of some is that of `\\`, `^` and `|`.
    of_one_codec("GB18030", "gb18030", "Wang^XiaoDong=王^乗乛=亅^𠮷", "头乗颅"),
    of_one_codec("GBK", "gbk", "Wang^XiaoDong=王^乗乛=亅", "头乗颅"),
    Stored(
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        b"\x1b$B6;It\x1b(BCT\\\x1b$B6;It\x1b(B", "胸部CT\\胸部",
        b"\x1b$B6;It\x1b(B 1\r\n\x1b$B6;It\x1b(B\\2", "胸部 1\r\n胸部\\2",
    ),
    Stored(
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
        b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        b"\xd1\xc8\\\x1b$B6;It\x1b(J\xd1\xc8", "ﾑﾈ\\胸部ﾑﾈ",
        b"\xd1\xc8\r\n\x1b$B6;It\x1b(J", "ﾑﾈ\r\n胸部",
    ),
    Stored(
        "\\ISO 2022 IR 87\\ISO 2022 IR 159",
        b"A=\x1b$B;3\x1b$(D0!\x1b(B^\x1b$(D0)\x1b(B", "A=山丂^丨",
    ),
    Stored(
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"\x1b$)C\xc8\xab A\\\x1b$)C\xb1\xe6", "홍 A\\길",
        b"\x1b$)C\xc8\xab\r\n\x1b$)C\xb1\xe6", "홍\r\n길",
    ),
    Stored(
        "\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
        b"\x1b$)A\xd5\xc5\\A", "张\\A", b"\x1b$)A\xd5\xc5\r\n\x1b$)A\xd0\xa1", "张\r\n小",
    ),
    Stored(
        "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126",
        b"J\xe9r\xf4me^\x1b-L\xbb\xee\x1b-A\xe9=\x1b-F\xc4\xe9^\xe9", "Jérôme^Люé=Δι^é",
        b"\x1b-L\xbb\\\xe9", "Л\\é", b"\x1b-L\xbb\r\n\xe9", "Л\r\né",
    ),
]  # fmt: skip
PATIENTS = {f"P{number}": stored for number, stored in enumerate(STORED)}


def with_values(data: Dataset, held: dict[int, bytes]) -> bytes:
    """A data set, with values as they are: pydicom would write them anew."""
    elements = {}
    for one in data:
        alone = Dataset()
        alone.add(one)
        elements[int(one.tag)] = encoded(alone)
    for tag, value in held.items():
        elements[tag] = element(tag, _VRS[tag], value + b" " * (len(value) % 2))
    return b"".join(elements[tag] for tag in sorted(elements))


# What is damaged or names no character set, and what of it is answered in UTF-8.
DAMAGED = {
    "D0": (UTF_8, "Müller^Jörg".encode() + b"\xc3", "Müller^JörgÃ"),
    "D1": ("GB18030", "王^乗东".encode("gbk")[:-1], "王^乗¶"),
    "D2": ("", b"Yamada^Tarou=\x1b$B;3ED\x1b(B", "Yamada^Tarou=山田"),
    "D3": ("", b"Yamada^Tarou=\x1b$@;3ED\x1b(J", "Yamada^Tarou=山田"),
    "D4": (UTF_8, "A¥B^‾".encode(), "A¥B^‾"),
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), {}) as running:
        with running.association((CT, EXPLICIT)) as association:
            held = {
                patient: (
                    one.charset,
                    {NAME: one.name, DESCRIPTION: one.several, COMMENTS: one.comments},
                )
                for patient, one in PATIENTS.items()
            } | {
                patient: (charset, {NAME: name}) for patient, (charset, name, _) in DAMAGED.items()
            }
            for number, (patient, (charset, values)) in enumerate(held.items(), 1):
                instance = f"1.2.{number}"
                data = ct(instance, instance, instance, PatientID=patient)
                if charset:
                    data.SpecificCharacterSet = charset.split("\\")
                data_set = with_values(data, values)
                assert send(association, CT, instance, data_set).Status == 0x0000
        yield running


def answered(node: RunningNode, query: bytes) -> list[dict[int, bytes]]:
    """The answers, with their values as they came."""
    request = C_FIND()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = UID(FIND["STUDY"])
    request.Identifier = BytesIO(query)
    answers = []
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        context = accepted(association, FIND["STUDY"], EXPLICIT)
        with at_rest(association):
            association.dimse.send_msg(request, context)
            while (response := next_message(association)).Status == 0xFF00:
                elements = data_element_generator(
                    BytesIO(response.Identifier.getvalue()), False, True
                )
                answers.append({int(one.tag): (one.value or b"").rstrip(b" ") for one in elements})
        assert response.Status == 0x0000
    return answers


def asked_in(charset: str, level: str = "STUDY", **values: str) -> bytes:
    query = identifier(level, **values)
    if charset:
        query.SpecificCharacterSet = charset.split("\\")
    return encoded(query)


@pytest.mark.parametrize("patient", PATIENTS, ids=[one.charset for one in STORED])
def test_text_is_answered_as_it_was_stored_and_in_utf_8(node: RunningNode, patient: str) -> None:
    stored = PATIENTS[patient]
    asked = {"PatientID": patient, "PatientName": "", "StudyDescription": ""}
    [own] = answered(node, asked_in(stored.charset, **asked))
    assert own[CHARSET].decode() == stored.charset
    assert own[NAME] == stored.name
    assert own[DESCRIPTION] == stored.several
    [unicode] = answered(node, asked_in("", **asked))
    assert unicode[CHARSET].decode() == UTF_8
    assert unicode[NAME].decode() == stored.name_text
    assert unicode[DESCRIPTION].decode() == stored.several_text


@pytest.mark.parametrize("patient", PATIENTS, ids=[one.charset for one in STORED])
def test_a_text_of_lines_is_answered_as_it_was_stored(node: RunningNode, patient: str) -> None:
    stored = PATIENTS[patient]
    asked = {"PatientID": patient, "PatientName": "", "ImageComments": ""}
    [own] = answered(node, asked_in(stored.charset, "IMAGE", **asked))
    assert own[COMMENTS] == stored.comments
    [unicode] = answered(node, asked_in(UTF_8, "IMAGE", **asked))
    assert unicode[COMMENTS].decode() == stored.comments_text


@pytest.mark.parametrize("patient", PATIENTS, ids=[one.charset for one in STORED])
def test_a_name_is_found_in_its_own_character_set(node: RunningNode, patient: str) -> None:
    stored = PATIENTS[patient]
    query = identifier("STUDY", PatientID="", SpecificCharacterSet=stored.charset.split("\\"))
    answers = answered(node, with_values(query, {NAME: stored.name}))
    assert [answer[PATIENT_ID].decode() for answer in answers] == [patient]


@pytest.mark.parametrize("asked", ["", "ISO_IR 100", "ISO_IR 13", "\\ISO 2022 IR 13", UTF_8])
@pytest.mark.parametrize("patient", DAMAGED)
def test_what_no_other_set_holds_is_answered_in_utf_8(
    node: RunningNode, patient: str, asked: str
) -> None:
    text = DAMAGED[patient][2]
    [answer] = answered(node, asked_in(asked, PatientID=patient, PatientName=""))
    named = answer[CHARSET].decode()
    if asked == "ISO_IR 100" and patient == "D0":
        assert (named, answer[NAME]) == (asked, text.encode("latin-1"))
    else:
        assert (named, answer[NAME].decode()) == (UTF_8, text)


def test_findscu_is_answered_in_sets_that_may_stand_there(node: RunningNode) -> None:
    [japanese] = [one for one, held in PATIENTS.items() if held.charset == "\\ISO 2022 IR 87"]
    asked = keys(QueryRetrieveLevel="STUDY", PatientID=japanese, PatientName="",
                 SpecificCharacterSet="ISO 2022 IR 87")  # fmt: skip
    assert "[\\ISO 2022 IR 87" in client("findscu", node, ["-S", *asked])
