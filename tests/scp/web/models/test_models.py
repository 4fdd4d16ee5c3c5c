"""Data sets as DICOM JSON and Native DICOM XML: every encoding, held to other programs."""

import json
import math
import random
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from support.data.samples import Sample, samples

from scp.web.models import model
from scp.web.models.model import Model, json_model, xml_model
from scp.web.models.xml_form import NAMESPACE
from storage.diagnostics import DataSetError
from storage.dicom.data_sets import UnusualError

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
SAMPLES = [one for one in samples() if "DICOMDIR" not in one.name]
# It ends within a sequence.
DAMAGED = "rtplan_truncated.dcm"
WHOLE = [one for one in SAMPLES if one.name != DAMAGED]
FORMS = {IMPLICIT: (True, True), EXPLICIT: (False, True), BIG_ENDIAN: (False, False)}


def uri(path: tuple[int, ...]) -> str:
    return "/".join(f"{one:X}" for one in path)


def document(
    made: Model, data: bytes, syntax: str = EXPLICIT, charset: str = "", start: int = 0
) -> bytes:
    return made.data_set(BytesIO(bytes(start) + data), start, syntax, charset, uri)


def carefully(made: Model, data: bytes, syntax: str = EXPLICIT, charset: str = "") -> bytes:
    """The same by the way for what is unusual."""
    with patch.object(model, "Scan", side_effect=UnusualError):
        return document(made, data, syntax, charset)


def encoded(held: Dataset, syntax: str = EXPLICIT) -> bytes:
    """A data set as bytes, by pydicom."""
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return deflater.compress(encoded(held)) + deflater.flush()
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = FORMS[syntax]
    write_dataset(buffer, held)
    return buffer.getvalue()


def plain(held: dict[str, Any]) -> dict[str, Any]:
    """What another program may write in other words told alike."""
    found: dict[str, Any] = {}
    for tag, element in held.items():
        values = element.get("Value") or []
        if tag == "00080005" or tag.endswith("0000"):
            continue
        if element["vr"] == "SQ":
            values = [plain(item) for item in values]
        elif "InlineBinary" in element:
            values = [element["InlineBinary"]]
        elif "BulkDataURI" in element:
            values = ["bulk"]
        # An empty value is null, or text; blanks at its end are padding (PS3.5 6.2).
        values = [one.rstrip() if isinstance(one, str) else one for one in values]
        values = [None if one == "" else one for one in values]
        if element["vr"] == "PN":
            values = [{k: v for k, v in (one or {}).items() if v.strip("^")} for one in values]
        found[tag] = (element["vr"], values if any(v not in (None, {}) for v in values) else [])
    return found


def is_same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other)


def without_pixels(held: dict[str, Any]) -> dict[str, Any]:
    """Of what is implicit, OB or OW depends on who reads it."""
    return {tag: one for tag, one in held.items() if tag != "7FE00010"}


# ---- pydicom's samples


@pytest.mark.parametrize("sample", WHOLE, ids=lambda one: one.name)
def test_json_says_what_pydicom_says(sample: Sample) -> None:
    found = json.loads(document(json_model(), sample.data_set, sample.transfer_syntax_uid))
    try:
        expected = dcmread(sample.path).to_json_dict(1024, lambda _: "bulk")
    except ValueError:
        pytest.skip("pydicom fails for its text that is no number")
    if any(one["vr"] == "UN" for one in expected.values()):
        # Which the dictionary of private elements knows, and pydicom does not ask.
        found = {tag: one for tag, one in found.items() if expected[tag]["vr"] != "UN"}
        expected = {tag: one for tag, one in expected.items() if one["vr"] != "UN"}
    one, other = plain(without_pixels(found)), plain(without_pixels(expected))
    assert {tag for tag in one | other if not is_same(one.get(tag), other.get(tag))} == set()
    if "PixelData" in sample.dataset:
        assert found["7FE00010"]["BulkDataURI"] == "7FE00010"


def test_a_data_set_that_ends_early_is_an_error() -> None:
    sample = next(one for one in SAMPLES if one.name == DAMAGED)
    for how in (document, carefully):
        with pytest.raises(DataSetError, match=r"\(300A,00B0\) ends beyond"):
            how(json_model(), sample.data_set, sample.transfer_syntax_uid)


@pytest.mark.parametrize("sample", WHOLE, ids=lambda one: one.name)
@pytest.mark.parametrize("make", [json_model, xml_model])
def test_the_fast_way_and_the_careful_one_write_alike(sample: Sample, make: Any) -> None:
    made, how = make(), (sample.data_set, sample.transfer_syntax_uid)
    first = document(made, *how)
    assert first == carefully(make(), *how)
    # What it remembers is no other thing, and where the data set begins does not matter.
    assert document(made, *how, start=333) == first


@pytest.mark.skipif(not shutil.which("dcm2json"), reason="DCMTK's dcm2json is not here")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm",
                                  "rtplan.dcm", "test-SR.dcm", "reportsi.dcm", "image_dfl.dcm",
                                  "UN_sequence.dcm", "waveform_ecg.dcm"])  # fmt: skip
def test_dcmtk_says_the_same(name: str) -> None:
    sample = next((one for one in SAMPLES if one.path.name == name), None)
    if not sample:
        pytest.skip("this pydicom has no such sample")
    how = sample.data_set, sample.transfer_syntax_uid
    ran = subprocess.run(["dcm2json", "-ee", sample.path], capture_output=True, check=False)
    if ran.returncode == 0:
        expected = plain(_bulky(json.loads(ran.stdout)))
        found = plain(json.loads(document(json_model(), *how)))
        assert {t for t in found | expected if not is_same(found.get(t), expected.get(t))} == set()
    command = ["dcm2xml", "--native-format", "--convert-to-utf8", sample.path]
    text = subprocess.run(command, capture_output=True, check=True).stdout
    found = ElementTree.fromstring(document(xml_model(), *how))
    assert _flat(found) == _flat(ElementTree.fromstring(text))


def _bulky(held: dict[str, Any]) -> dict[str, Any]:
    """What DCMTK writes inline, and is bulk data here."""
    for element in held.values():
        if len(element.get("InlineBinary", "")) > 1400:
            element["BulkDataURI"] = element.pop("InlineBinary")
        for item in element.get("Value", []) if element["vr"] == "SQ" else ():
            _bulky(item)
    return held


def _flat(root: ElementTree.Element) -> list[tuple[str, ...]]:
    """Each attribute with where it lies, its names, and its values where they are text."""
    found: list[tuple[str, ...]] = []

    def go(node: ElementTree.Element, path: str) -> None:
        kind = node.tag.rpartition("}")[2]
        if kind == "DicomAttribute":
            named = [node.get(key, "") for key in ("tag", "vr", "privateCreator")]
            if int(named[0][3], 16) % 2 and named[0][4:6] != "00":  # of which nobody says whose
                named[0] = f"{named[0][:4]}00{named[0][6:]}"
            if named[0] == "00080005":
                return
            # Where DCMTK takes a creator for a private element, it does so within its dictionary.
            found.append((path, *named) if named[1] != "UN" else (path, named[0], "UN"))
            path = f"{path}/{named[0]}"
        elif kind == "Item":
            path = f"{path}[{node.get('number')}]"
        elif kind in ("Value", *_NAME_PARTS):
            text = (node.text or "").strip()
            if text:
                found.append((path, kind, _number(text)))
        for child in node:
            go(child, path)

    go(root, "")
    return found


_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def _number(text: str) -> str:
    try:
        return f"{float(text):.5g}"
    except ValueError:
        return text


# ---- every encoding


def everything() -> Dataset:
    """A data set with elements of all VRs, sequences, private ones."""
    held = Dataset()
    held.SpecificCharacterSet = "ISO_IR 100"
    held.ImageType = ["ORIGINAL", "", "AXIAL"]
    held.SOPInstanceUID = "1.2.3"
    held.StudyDate = ""
    held.PatientName = "Müller^Jörg"
    held.PatientComments = 'a\\b & <c> "d"\x01\r\n'
    held.PixelSpacing = ["0.50", "1e2"]
    held.AcquisitionNumber = "7"
    held.add_new(0x00280009, "AT", [0x00181063, 0x00181065])
    held.add_new(0x00189073, "FD", 1.5)
    held.add_new(0x00720076, "FL", [1.5, float("nan"), float("inf"), -float("inf")])
    held.add_new(0x00720074, "FD", [float("nan")])
    held.add_new(0x00720082, "SV", [-(1 << 63), 5])
    held.add_new(0x00720083, "UV", [(1 << 64) - 1, 5])
    held.add_new(0x00720078, "UL", [4_000_000_000])
    held.add_new(0x0072007C, "SL", [-5])
    held.add_new(0x0072007E, "SS", [-5])
    held.add_new(0x0072007A, "US", [5, 6])
    held.add_new(0x00720065, "OB", b"\1\2")
    held.add_new(0x00720067, "OF", b"\2\2\2\2")
    held.add_new(0x00720069, "OW", b"\1\2\3\4" * 500)
    held.add_new(0x00720071, "UR", "http://x/\\y")
    held.add_new(0x00720070, "UT", "long\\text ")
    inner, empty = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "Größe"
    inner.add_new(0x00720069, "OW", b"\1\2" * 600)
    held.ConceptNameCodeSequence = [inner, empty]
    held.ReferencedStudySequence = []
    block = held.private_block(0x0009, "A CREATOR", create=True)
    block.add_new(0x01, "LO", "private")
    block.add_new(0x02, "SQ", [inner])
    held.BitsAllocated, held.PixelRepresentation = 16, 1
    held.add_new(0x00280106, "SS", -7)
    held.PixelData = b"\1\2" * 8
    held["PixelData"].VR = "OW"
    return held


@pytest.mark.parametrize("undefined", [False, True])
def test_json_of_every_encoding(undefined: bool) -> None:
    held = everything()
    if undefined:
        for one in (held, held.ConceptNameCodeSequence[0]):
            for element in one:
                if element.VR == "SQ":
                    element.is_undefined_length = True
                    for item in element.value:
                        item.is_undefined_length_sequence_item = True
    explicit = document(json_model(), encoded(held))
    for syntax in (BIG_ENDIAN, DEFLATED):
        assert document(json_model(), encoded(held, syntax), syntax) == explicit
    assert carefully(json_model(), encoded(held)) == explicit
    implicit = document(json_model(), encoded(held, IMPLICIT), IMPLICIT)
    assert carefully(json_model(), encoded(held, IMPLICIT), IMPLICIT) == implicit
    found, expected = json.loads(implicit), json.loads(explicit)
    # Of those nobody but their maker knows the VR.
    assert found.pop("00091001") == {"vr": "UN", "InlineBinary": "cHJpdmF0ZSA="[:12]}
    assert found.pop("00091002")["vr"] in ("UN", "SQ")
    del expected["00091001"], expected["00091002"]
    assert found == expected


def test_what_json_looks_like() -> None:
    found = json.loads(document(json_model(), encoded(everything())))
    values = {tag: (one["vr"], one.get("Value")) for tag, one in found.items()}
    assert list(found) == sorted(found)
    assert values["00080005"] == ("CS", ["ISO_IR 192"])
    assert values["00080008"] == ("CS", ["ORIGINAL", None, "AXIAL"])
    assert found["00080020"] == {"vr": "DA"}
    assert values["00100010"] == ("PN", [{"Alphabetic": "Müller^Jörg"}])
    assert values["00104000"] == ("LT", ['a\\b & <c> "d"\x01\r\n'])
    assert values["00280009"] == ("AT", ["00181063", "00181065"])
    assert values["00720076"] == ("FL", [1.5, "NaN", "inf", "-inf"])
    assert values["00720082"] == ("SV", ["-9223372036854775808", 5])
    assert values["00720083"] == ("UV", ["18446744073709551615", 5])
    assert found["00720065"] == {"vr": "OB", "InlineBinary": "AQI="}
    assert found["00720069"] == {"vr": "OW", "BulkDataURI": "720069"}
    assert values["00720071"] == ("UR", ["http://x/\\y"])
    assert values["00720070"] == ("UT", ["long\\text"])
    assert found["00081110"] == {"vr": "SQ"}
    first, second = found["0040A043"]["Value"]
    assert first["00080104"] == {"vr": "LO", "Value": ["Größe"]}
    assert first["00720069"] == {"vr": "OW", "BulkDataURI": "40A043/1/720069"}
    assert second == {}
    assert found["00091002"]["Value"][0]["00720069"]["BulkDataURI"] == "91002/1/720069"
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "7FE00010"}
    assert b'"Value":[0.50,1e2]' in document(json_model(), encoded(everything()))


def test_what_xml_looks_like() -> None:
    root = ElementTree.fromstring(document(xml_model(), encoded(everything())))
    assert root.tag == f"{{{NAMESPACE}}}NativeDicomModel"
    held = {one.get("tag"): one for one in root}

    def texts(tag: str) -> list[str | None]:
        return [one.text for one in held[tag].iter() if one.text is not None]

    assert texts("00080008") == ["ORIGINAL", "AXIAL"]
    assert [one.get("number") for one in held["00080008"]] == ["1", "2", "3"]
    assert held["00080008"].get("keyword") == "ImageType"
    assert texts("00100010") == ["Müller", "Jörg"]
    assert texts("00104000") == ['a\\b & <c> "d"\ufffd\r\n']
    assert (held["00090010"].get("privateCreator"), texts("00090010")) == (None, ["A CREATOR"])
    assert (held["00090001"].get("privateCreator"), texts("00090001")) == ("A CREATOR", ["private"])
    assert held["00720069"][0].attrib == {"uri": "720069"}
    assert texts("00720065") == ["AQI="]
    assert texts("00280009") == ["00181063", "00181065"]
    assert [one.get("number") for one in held["0040A043"]] == ["1", "2"]
    assert not list(held["00080020"])


# ---- values


def value_of(vr: str, value: bytes, tag: int = 0x00081040) -> Any:
    """What JSON has of an element; both ways write it alike."""
    head = tag.to_bytes(4, "big")
    start = bytes((head[1], head[0], head[3], head[2])) + vr.encode()
    long = vr in ("OB", "OW", "UN", "UT", "SV", "UV", "UC", "UR", "OF")
    length = (
        bytes(2) + len(value).to_bytes(4, "little") if long else len(value).to_bytes(2, "little")
    )
    data = start + length + value
    found = document(json_model(), data)
    assert found == carefully(json_model(), data)
    ElementTree.fromstring(document(xml_model(), data))
    return json.loads(found)[f"{tag:08X}"].get("Value")


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", b"1.50", "1.50"), ("DS", b" 1 ", "1"), ("DS", b"+1.5", "1.5"), ("DS", b".5", "0.5"),
        ("DS", b"-.5 ", "-0.5"), ("DS", b"007.50", "7.50"), ("DS", b"1.", "1"), ("DS", b"-0", "-0"),
        ("DS", b"00", "0"), ("DS", b"1E5 ", "1E5"), ("DS", b"1e999 ", '"1e999"'),
        ("DS", b"1,5 ", '"1,5"'), ("DS", b"abc ", '"abc"'), ("DS", b".", '"."'),
        ("DS", b"e5", '"e5"'), ("DS", b"NaN ", '"NaN"'), ("DS", b"1\\\\2 ", "1,null,2"),
        ("IS", b"+012", "12"), ("IS", b"-", '"-"'), ("IS", b"1.0 ", "1.0"),
        ("IS", b"9" * 40, '"' + "9" * 40 + '"'), ("IS", "\uff11".encode(), None),
        ("UV", (1 << 53).to_bytes(8, "little"), "9007199254740992"),
        ("UV", ((1 << 53) + 1).to_bytes(8, "little"), '"9007199254740993"'),
    ],
)  # fmt: skip
def test_numbers_stay_what_was_written(vr: str, value: bytes, expected: str | None) -> None:
    data = b"\x20\x00\x13\x00" + vr.encode()
    data += bytes(2) + len(value).to_bytes(4, "little") if vr == "UV" else bytes((len(value), 0))
    found = document(json_model(), data + value)
    json.loads(found)
    if expected is not None:
        assert found == f'{{"00200013":{{"vr":"{vr}","Value":[{expected}]}}}}'.encode()


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("PN", b"A^B=C=D ", [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}]),
        ("PN", b"=C", [{"Ideographic": "C"}]), ("PN", b"==", None), ("PN", b"=", None),
        ("PN", b"A\\\\B", [{"Alphabetic": "A"}, None, {"Alphabetic": "B"}]),
        ("PN", b"a=b=c=d ", [{"Alphabetic": "a", "Ideographic": "b", "Phonetic": "c=d"}]),
        ("PN", b"a^b^c^d^e^f ", [{"Alphabetic": "a^b^c^d^e^f"}]),
        ("LO", b"\\", None), ("LO", b"  ", None), ("LO", b"", None), ("LO", b"a\\", ["a", None]),
        ("LT", b" a\\b ", [" a\\b"]), ("UI", b"1.2\0", ["1.2"]), ("DA", b"no date", ["no date"]),
        ("CS", b"\xff\xfe", ["ÿþ"]), ("LO", b"\xff", ["ÿ"]), ("LO", b"a\0b ", ["a\0b"]),
        ("US", b"\1", None), ("US", b"\1\0\2", [1]), ("AT", b"\1\0\2", None),
        ("AT", b"\x10\0\x20\0", ["00100020"]), ("FD", b"", None),
        ("LO", b'"\\\x1f', ['"', "\x1f"]),
    ],
)  # fmt: skip
def test_values(vr: str, value: bytes, expected: Any) -> None:
    assert value_of(vr, value) == expected


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """One in Explicit VR Little Endian, of whatever length is said."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    size = len(value) if length is None else length
    if vr in ("OB", "OW", "SQ", "UN", "UT", "OF"):
        return head + vr.encode() + bytes(2) + size.to_bytes(4, "little") + value
    return head + vr.encode() + size.to_bytes(2, "little") + value


def item(value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return b"\xfe\xff\x00\xe0" + size.to_bytes(4, "little") + value


UNDEFINED = 0xFFFFFFFF
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
PIXELS = element(0x7FE00010, "OB", b"", UNDEFINED)
IMPLICIT_NAME = b"\x10\0\x10\0\4\0\0\0A^B "


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # UN that is known (PS3.5 6.2.2): in implicit VR, whatever is around it.
        (element(0x00100010, "UN", b"A^B "), {"00100010": ("PN", [{"Alphabetic": "A^B"}])}),
        (element(0x00081140, "UN", item(IMPLICIT_NAME)),
         {"00081140": ("SQ", [{"00100010": ("PN", [{"Alphabetic": "A^B"}])}])}),
        (element(0x00081140, "UN", item(IMPLICIT_NAME) + SEQUENCE_END, UNDEFINED),
         {"00081140": ("SQ", [{"00100010": ("PN", [{"Alphabetic": "A^B"}])}])}),
        (element(0x00081140, "UN", b"no sequence!"), {"00081140": ("UN", ["bm8gc2VxdWVuY2Uh"])}),
        (element(0x00080018, "UN", b"1.2\0") + element(0x00091001, "UN", b"ab"),
         {"00080018": ("UI", ["1.2"]), "00091001": ("UN", ["YWI="])}),
        # A private one by its creator.
        (element(0x00090010, "LO", b"GEMS_IDEN_01") + element(0x00091002, "UN", b"CT01"),
         {"00090010": ("LO", ["GEMS_IDEN_01"]), "00091002": ("SH", ["CT01"])}),
        # Group Length, File Meta Information that a sender left, an element that is there twice.
        (element(0x00080000, "UL", b"\4\0\0\0") + element(0x00100020, "LO", b"a "),
         {"00100020": ("LO", ["a"])}),
        (element(0x00020010, "UI", b"1.2\0") + element(0x00100020, "LO", b"a "),
         {"00100020": ("LO", ["a"])}),
        (element(0x00100020, "LO", b"a ") + element(0x00100020, "LO", b"b "),
         {"00100020": ("LO", ["a"])}),
        # Out of order.
        (element(0x00100020, "LO", b"a ") + element(0x00080060, "CS", b"CT"),
         {"00080060": ("CS", ["CT"]), "00100020": ("LO", ["a"])}),
        # Pixel data in fragments, and what lies behind it.
        (PIXELS + item(b"") + item(b"\xff" * 70_000) + SEQUENCE_END
         + element(0xFFFCFFFC, "OB", b"\0\0"),
         {"7FE00010": ("OB", ["bulk"]), "FFFCFFFC": ("OB", ["AAA="])}),
        # Cut short in the pixel data: the rest is as good as it was.
        (element(0x00100020, "LO", b"a ") + element(0x7FE00010, "OW", b"\0" * 10, 1_000_000),
         {"00100020": ("LO", ["a"]), "7FE00010": ("OW", ["bulk"])}),
        (element(0x00100020, "LO", b"a ") + PIXELS + item(b"\0" * 10, 5_000),
         {"00100020": ("LO", ["a"]), "7FE00010": ("OB", ["bulk"])}),
        # Zeros behind the last element.
        (element(0x00100020, "LO", b"a ") + bytes(5), {"00100020": ("LO", ["a"])}),
        # Pixel data of an icon.
        (element(0x00880200, "SQ", item(element(0x7FE00010, "OW", b"\0\0"))),
         {"00880200": ("SQ", [{"7FE00010": ("OW", ["bulk"])}])}),
        (element(0x7FE00010, "OW", b""), {"7FE00010": ("OW", [])}),
        # Much text is told by where it is.
        (element(0x00081195, "UT", b"x" * (1 << 20)) + element(0x00081196, "UT", b"x" * 2_000_000),
         {"00081195": ("UT", ["x" * (1 << 20)]), "00081196": ("UT", ["bulk"])}),
        (b"", {}),
    ],
)  # fmt: skip
def test_structures(data: bytes, expected: dict[str, Any]) -> None:
    found = document(json_model(), data)
    assert found == carefully(json_model(), data)
    assert plain(json.loads(found)) == expected
    assert document(xml_model(), data) == carefully(xml_model(), data)


@pytest.mark.parametrize(
    "data",
    [
        element(0x00100020, "LO", b"a ", 100), element(0x00100020, "LO", b"a ")[:-3],
        element(0x00081140, "SQ", item(b""), UNDEFINED), b"\x08", b"\x08\0\x05\0CS",
        item(b""),
    ],
)  # fmt: skip
def test_what_is_damaged_is_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(DataSetError):
        document(json_model(), data)


def test_text_in_every_character_set() -> None:
    for charset, text in (("ISO_IR 100", "Müller"), ("ISO_IR 192", "山田"), ("GB18030", "王"),
                          ("ISO 2022 IR 6\\ISO 2022 IR 87", "山田")):  # fmt: skip
        held = Dataset()
        held.SpecificCharacterSet, held.PatientName = charset.split("\\"), text
        found = json.loads(document(json_model(), encoded(held)))
        assert found["00100010"]["Value"] == [{"Alphabetic": text}]
        assert found["00080005"]["Value"] == ["ISO_IR 192"]


def test_text_whose_character_set_is_assumed_names_one_then() -> None:
    data = element(0x00080001, "UL", b"\0\0\0\0") + element(0x00100010, "PN", b"M\xfcller^J")
    found = json.loads(document(json_model(), data, charset="ISO_IR 100"))
    assert list(found) == ["00080001", "00080005", "00100010"]
    assert found["00100010"]["Value"] == [{"Alphabetic": "Müller^J"}]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    root = ElementTree.fromstring(document(xml_model(), data, charset="ISO_IR 100"))
    assert [one.get("tag") for one in root] == ["00080001", "00080005", "00100010"]


def test_what_is_remembered_is_not_taken_for_text_of_another_character_set() -> None:
    made = json_model()
    name = element(0x00100010, "PN", b"\xe4\xb8")
    for term, text in ((b"ISO_IR 100", "ä\xb8"), (b"ISO_IR 101", "ä\xb8"), (b"ISO_IR 144", "фИ"),
                       (b"ISO_IR 100", "ä\xb8")):  # fmt: skip
        found = json.loads(document(made, element(0x00080005, "CS", term) + name))
        assert found["00100010"]["Value"] == [{"Alphabetic": text}]
    assert json.loads(document(made, name, charset="ISO_IR 144"))["00100010"]["Value"] == [
        {"Alphabetic": "фИ"}
    ]


def test_what_is_remembered_of_a_private_element_is_its_creators() -> None:
    made = xml_model()
    for creator in (b"GEMS_IDEN_01", b"ANOTHER ", b"GEMS_IDEN_01"):
        data = element(0x00090010, "LO", creator) + element(0x00091002, "UN", b"CT01")
        assert document(made, data) == carefully(xml_model(), data)
    assert document(made, element(0x00091002, "UN", b"CT01")) == carefully(
        xml_model(), element(0x00091002, "UN", b"CT01")
    )


def test_where_bulk_data_is_is_never_remembered() -> None:
    made = json_model()
    data = element(0x00880200, "SQ", item(element(0x7FE00010, "OW", b"\0\0")))
    for base in ("a", "b"):
        found = made.data_set(BytesIO(data), 0, EXPLICIT, "", lambda p, b=base: b)  # type: ignore[misc]
        assert f'"BulkDataURI":"{base}"'.encode() in found


def test_values_larger_than_what_is_read_at_once() -> None:
    """Sequences and text of more than a window, and pixel data that lies on both sides of one."""
    held = Dataset()
    held.PatientID = "a"
    items = []
    for number in range(3000):
        one = Dataset()
        one.ReferencedSOPInstanceUID = f"1.2.{number}"
        items.append(one)
    held.ReferencedImageSequence = items
    held.add_new(0x00081195, "UT", "y" * 200_000)
    held.add_new(0x00420011, "OB", b"z" * 300_000)
    held.add_new(0x00420012, "LO", "behind")
    for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN):
        data = encoded(held, syntax)
        found = document(json_model(), data, syntax)
        assert found == carefully(json_model(), data, syntax)
        assert len(json.loads(found)["00081140"]["Value"]) == 3000


# ---- what was made to do harm


def bombs() -> Iterator[tuple[str, str, bytes]]:
    yield "empty items", EXPLICIT, element(0x00081140, "SQ", item(b"") * 1_000_001)
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    data = element(0x00081140, "SQ", item(b"") * 1_000_001)
    yield "deflated", DEFLATED, deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(("syntax", "data"), [one[1:] for one in bombs()],
                         ids=[one[0] for one in bombs()])  # fmt: skip
def test_a_data_set_that_is_too_much_is_refused(syntax: str, data: bytes) -> None:
    with pytest.raises(DataSetError):
        document(json_model(), data, syntax)


def test_sequences_in_sequences_without_end_are_bytes_at_last() -> None:
    nested = b""
    for _ in range(200):
        nested = element(0x00081140, "SQ", item(nested))
    found, depth = json.loads(document(json_model(), nested)), 0
    while found["00081140"]["vr"] == "SQ":
        (found,), depth = found["00081140"]["Value"], depth + 1
    assert 60 < depth < 70


def test_binary_values_are_little_endian() -> None:
    """PS3.18 F.2.7, whatever they are stored in."""
    data = b"\0\x72\0\x69OW\0\0\0\0\0\4\1\2\3\4"
    found = json.loads(document(json_model(), data, BIG_ENDIAN))
    assert found == {"00720069": {"vr": "OW", "InlineBinary": "AgEEAw=="}}


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_data_set_is_read_or_refused_and_nothing_else(seed: int) -> None:
    noise = random.Random(seed)
    syntax = noise.choice([EXPLICIT, IMPLICIT, BIG_ENDIAN])
    data = bytearray(encoded(everything(), syntax))
    for _ in range(noise.randint(1, 8)):
        data[noise.randrange(len(data))] = noise.choice([0, 1, 0xFF, noise.randrange(256)])
    for make in (json_model, xml_model):
        outcomes = []
        for how in (document, carefully):
            try:
                outcomes.append(how(make(), bytes(data), syntax))
            except DataSetError:
                outcomes.append(b"")
        assert outcomes[0] == outcomes[1]
        if outcomes[0] and make is json_model:
            json.loads(outcomes[0])
        elif outcomes[0]:
            ElementTree.fromstring(outcomes[0])


def test_elements_of_ambiguous_vr() -> None:
    """In implicit VR: by the elements that they depend on, here or around (PS3.5 A.2)."""
    for signed in (0, 1):
        held, inner = Dataset(), Dataset()
        inner.add(DataElement(0x00283002, "US", [1, 2, 16]))
        held.BitsAllocated, held.PixelRepresentation = 16, signed
        held.add_new(0x00280106, "US", 0xFFFF)
        held.ModalityLUTSequence = [inner]
        data = encoded(held, IMPLICIT)
        found = json.loads(document(json_model(), data, IMPLICIT))
        assert found["00280106"]["Value"] == [-1 if signed else 0xFFFF]
        assert found["00283000"]["Value"][0]["00283002"]["vr"] == ("SS" if signed else "US")
        assert document(json_model(), data, IMPLICIT) == carefully(json_model(), data, IMPLICIT)
