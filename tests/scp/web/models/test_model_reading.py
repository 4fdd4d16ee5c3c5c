"""DICOM JSON and Native DICOM XML, read: what STOW-RS is sent."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from support.data.samples import Sample, samples

from scp.web.media.multipart import FileRange
from scp.web.models.json_reading import read_json
from scp.web.models.model import json_model, xml_model
from scp.web.models.reading import Encapsulated, Limits, ReadDataSet
from scp.web.models.xml_reading import read_xml
from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets import Element

EXPLICIT = "1.2.840.10008.1.2.1"
SAMPLES = [
    one for one in samples() if "DICOMDIR" not in one.name and one.name != "rtplan_truncated.dcm"
]


def nothing(uri: str) -> bytes:
    raise DataSetError(f"there is no {uri}")


def data_set_of(held: ReadDataSet, bulk: Callable[[str], Any] = nothing) -> bytes:
    return b"".join(held.chunks(bulk))


def from_json(held: dict[str, Any], bulk: Callable[[str], Any] = nothing) -> Any:
    """A data set of JSON as pydicom reads it."""
    (found,) = read_json(json.dumps(held).encode())
    return read_dataset(BytesIO(data_set_of(found, bulk)), False, True)


def from_xml(content: str) -> Any:
    text = f'<NativeDicomModel xml:space="preserve">{content}</NativeDicomModel>'
    return read_dataset(BytesIO(data_set_of(read_xml(text.encode()))), False, True)


# ---- there and back


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_what_is_written_is_read_back(sample: Sample) -> None:
    def document(make: Any, data: bytes, syntax: str) -> bytes:
        found: bytes = make().data_set(BytesIO(data), 0, syntax, "", lambda path: f"{path}")
        return found

    for make, read in ((json_model, read_json), (xml_model, lambda data: [read_xml(data)])):
        first = document(make, sample.data_set, sample.transfer_syntax_uid)
        (found,) = read(first)
        # Of bulk data no more than where it is: as many bytes as make it that again.
        data = data_set_of(found, lambda _: bytes(2_000_000))
        assert document(make, data, EXPLICIT) == first


def test_instances_are_what_they_were() -> None:
    """Of a real one, its pixels given by range of a file."""
    sample = next(one for one in SAMPLES if one.name == "MR_small.dcm")
    first = json_model().data_set(BytesIO(sample.data_set), 0, EXPLICIT, "", lambda _: "pixels")
    pixels = BytesIO(b"before" + sample.dataset.PixelData)
    (found,) = read_json(b"[" + first + b"]")
    assert list(found.uris()) == ["pixels"]
    assert found.text(0x00080018) == sample.sop_instance_uid
    data = data_set_of(found, lambda _: FileRange(pixels, 6, len(sample.dataset.PixelData)))
    again, whole = read_dataset(BytesIO(data), False, True), dcmread(sample.path)
    for element in whole:
        if element.tag.element and element.keyword != "SpecificCharacterSet":
            assert again[element.tag] == element, element


# ---- values


def test_values_of_json() -> None:
    found = from_json({
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00080008": {"vr": "CS", "Value": ["A", None, "B"]},
        "00080020": {"vr": "DA"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^J", "Phonetic": "m"}, None]},
        "00101030": {"vr": "DS", "Value": ["7.50"]},
        "00280010": {"vr": "US", "Value": [512.0]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00720076": {"vr": "FL", "Value": [1.5, "NaN", "-inf"]},
        "00720083": {"vr": "UV", "Value": ["18446744073709551615"]},
        "00720065": {"vr": "OB", "InlineBinary": "AQID"},
        "00100020": {"Value": ["no vr"]},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}]},
        "00080000": {"vr": "UL", "Value": [5]},
        "00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.50"]},
    })  # fmt: skip
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.ImageType == ["A", "", "B"]
    assert str(found.PatientName[0]) == "Müller^J==m"
    assert (found.PatientWeight.original_string, found.Rows) == ("7.50", 512)
    assert found[0x00280009].value == 0x00181063
    assert found[0x00720076].value[0] == 1.5
    assert found[0x00720083].value == (1 << 64) - 1
    assert found[0x00720065].value == b"\1\2\3\0"
    assert found.PatientID == "no vr"
    assert [len(item) for item in found.ReferencedImageSequence] == [1, 0]
    assert 0x00080000 not in found
    assert 0x00020010 not in found


def test_numbers_stay_what_was_written() -> None:
    text = b'{"00101030":{"vr":"DS","Value":[7.50,1e2]},"00200013":{"vr":"IS","Value":[007]}}'
    with pytest.raises(DataSetError, match="no JSON"):
        read_json(text)
    (found,) = read_json(text.replace(b"007", b"7"))
    assert found.elements[0x00101030].values == ("7.50", "1e2")


def test_text_that_is_not_ascii_names_its_character_set() -> None:
    found = from_json({"00081140": {"vr": "SQ", "Value": [
        {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
         "00100010": {"vr": "PN", "Value": [{"Alphabetic": "山田"}]}}]}})  # fmt: skip
    assert found.SpecificCharacterSet == "ISO_IR 192"
    (item,) = found.ReferencedImageSequence
    assert str(item.PatientName) == "山田"
    assert "SpecificCharacterSet" not in item
    assert "SpecificCharacterSet" not in from_json({"00100020": {"vr": "LO", "Value": ["a"]}})


def test_compressed_frames_are_encapsulated() -> None:
    frames = Encapsulated([b"\xff\xd8\xff", FileRange(BytesIO(b"xxyy"), 2, 2)])
    held = {"7FE00010": {"vr": "OB", "BulkDataURI": "frames"}}
    (found,) = read_json(json.dumps(held).encode())
    data = data_set_of(found, lambda _: frames)
    assert data.endswith(
        b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0\xff\xd8\xff\0"
        b"\xfe\xff\x00\xe0\2\0\0\0yy\xfe\xff\xdd\xe0\0\0\0\0"
    )


def test_values_of_xml() -> None:
    found = from_xml("""
      <DicomAttribute tag="00080008" vr="CS" keyword="ImageType">
        <Value number="3">B</Value><Value number="1">A &amp; &#60;</Value></DicomAttribute>
      <DicomAttribute tag="00090001" vr="LO" privateCreator="MINE"><Value number="1">p</Value>
      </DicomAttribute>
      <DicomAttribute tag="00090010" vr="LO"><Value number="1">OTHERS</Value></DicomAttribute>
      <DicomAttribute tag="00090002" vr="LO" privateCreator="OTHERS"><Value>q</Value>
      </DicomAttribute>
      <DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Alphabetic>
        <GivenName>J</GivenName><FamilyName>Müller</FamilyName><NameSuffix>x</NameSuffix>
        </Alphabetic><Phonetic><FamilyName>m</FamilyName></Phonetic></PersonName></DicomAttribute>
      <DicomAttribute tag="00081140" vr="SQ"><Item number="2"/><Item number="1">
        <DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2</Value></DicomAttribute>
        </Item></DicomAttribute>
      <DicomAttribute tag="00720065" vr="OB"><InlineBinary> AQ
        ID </InlineBinary></DicomAttribute>
    """)
    assert found.ImageType == ["A & <", "", "B"]
    assert [found[tag].value for tag in (0x00090010, 0x00091002)] == ["OTHERS", "q"]
    assert [found[tag].value for tag in (0x00090011, 0x00091101)] == ["MINE", "p"]
    assert str(found.PatientName) == "Müller^J^^^x==m"
    assert [len(item) for item in found.ReferencedImageSequence] == [1, 0]
    assert found[0x00720065].value == b"\1\2\3\0"


# ---- what is none, or too much


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no JSON"), (b"{", "no JSON"), (b"5", "an object of attributes"), (b"\xff{}", "JSON"),
        (b"[[]]", "an object of attributes"), (b"[" * 100_000, "no JSON"),
        (b'{"0010":{}}', "no tag"), (b'{"PatientName":{}}', "no tag"), (b'{"00100010":5}', "no ob"),
        (b'{"00100010":{"vr":"XX"}}', r"\(0010,0010\) has vr 'XX'"),
        (b'{"00100010":{"vr":["PN"]}}', "has a vr"),
        (b'{"00100010":{"vr":"PN","Value":"A"}}', "has a vr"),
        (b'{"00100010":{"vr":"PN","Value":[["A"]]}}', "none of 'PN'"),
        (b'{"00100010":{"vr":"PN","Value":[{"Alphabetic":["A"]}]}}', "none of 'PN'"),
        (b'{"00280010":{"vr":"US","Value":["many"]}}', r"\(0028,0010\) has a value that cannot"),
        (b'{"00280010":{"vr":"US","Value":[1,70000]}}', "cannot be one of US"),
        (b'{"00280010":{"vr":"US","Value":[1.5]}}', "cannot be one of US"),
        (b'{"00280010":{"vr":"US","Value":[true]}}', "none of 'US'"),
        (b'{"00280010":{"vr":"FL","Value":[1e99]}}', "cannot be one of FL"),
        (b'{"00280010":{"vr":"FL","Value":[NaN]}}', "no JSON"),
        (b'{"00100020":{"vr":"LO","Value":["\\ud800"]}}', "cannot be one of LO"),
        ('{"00080060":{"vr":"CS","Value":["山"]}}'.encode(), "cannot be one of CS"),
        (b'{"00280009":{"vr":"AT","Value":["tag"]}}', "cannot be one of AT"),
        (b'{"00720065":{"vr":"OB","InlineBinary":"?"}}', "no base64"),
        (b'{"00720065":{"vr":"OB","Value":["A"]}}', "takes InlineBinary"),
        (b'{"00720065":{"vr":"OB","InlineBinary":"AQID","BulkDataURI":"x"}}', "more than one of"),
        (b'{"00720065":{"vr":"OB","BulkDataURI":"x"}}', "there is no x"),
        (b'{"00081140":{"vr":"SQ","BulkDataURI":"x"}}', "takes Value alone"),
        (b'{"00081140":{"vr":"SQ","Value":["x"]}}', "an object of attributes"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(text: bytes, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        list(map(data_set_of, read_json(text)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no XML"), ("<a>", "no XML"), ("<a/>", "but 'a'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "a document type"),
        ("<NativeDicomModel><DicomAttribute/></NativeDicomModel>", "8 hexadecimal digits"),
        ('<NativeDicomModel><DicomAttribute tag="00100010" vr="??"/></NativeDicomModel>', "none"),
        ('<NativeDicomModel><DicomAttribute tag="00100020" vr="LO"><Value number="0"/>'
         "</DicomAttribute></NativeDicomModel>", "number '0'"),
        ('<NativeDicomModel><DicomAttribute tag="00100020" vr="LO"><Value number="999999999"/>'
         "</DicomAttribute></NativeDicomModel>", "Too many"),
        ('<NativeDicomModel><DicomAttribute tag="00720065" vr="OB"><BulkData/>'
         "</DicomAttribute></NativeDicomModel>", "without a uri"),
        ('<NativeDicomModel><DicomAttribute tag="00720065" vr="OB"><InlineBinary>?</InlineBinary>'
         "</DicomAttribute></NativeDicomModel>", "no base64"),
        ("<a>" * 5000, "nested too deep"),
    ],
)  # fmt: skip
def test_what_is_no_xml_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        data_set_of(read_xml(text.encode()))


def test_documents_that_are_too_much_are_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100):
        nested = {"00081140": {"vr": "SQ", "Value": [nested]}}
    for text in (
        json.dumps(nested).encode(),
        b"[" + b"{}," * 3_000_000 + b"{}]",
        b'{"00080008":{"vr":"CS","Value":[' + b'"A",' * 500_000 + b'"A"]}}',
    ):
        with pytest.raises(BudgetError):
            read_json(text)
    with pytest.raises(BudgetError):
        read_json(b" " * 100, Limits(most_bytes=99))
    with pytest.raises(BudgetError):
        read_xml(b"<NativeDicomModel>" + b"<a/>" * 100 + b"</NativeDicomModel>", Limits(left=100))


# ---- elements that are made


def test_elements_look_like_those_of_a_data_set() -> None:
    held = {
        Tag(0x00100010): Element("PN", "Müller^J=x"),
        Tag(0x00080060): Element("CS", ""),
        Tag(0x00080061): Element("CS", "CT\\MR"),
        Tag(0x00201206): Element("IS", "5"),
        Tag(0x00081140): Element("SQ", items=({Tag(0x00081155): Element("UI", "1.2")}, {})),
        Tag(0x00081110): Element("SQ", items=()),
        Tag(0x00081197): Element("US", "272"),
        Tag(0x00081190): Element("UR", "http://x"),
        Tag(0x00090010): Element("LO", "GEMS_IDEN_01"),
        Tag(0x00091002): Element("SH", "CT01"),
    }
    for made, read in ((json_model(), lambda data: read_json(data)[0]), (xml_model(), read_xml)):
        document = made.elements(held)
        (found,) = [read(document)]
        data = data_set_of(found)
        assert made.data_set(BytesIO(data), 0, EXPLICIT, "", lambda _: "") == document
    assert json.loads(json_model().elements(held)) == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080060": {"vr": "CS"},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00081110": {"vr": "SQ"},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}]},
        "00081190": {"vr": "UR", "Value": ["http://x"]},
        "00081197": {"vr": "US", "Value": [272]},
        "00090010": {"vr": "LO", "Value": ["GEMS_IDEN_01"]},
        "00091002": {"vr": "SH", "Value": ["CT01"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^J", "Ideographic": "x"}]},
        "00201206": {"vr": "IS", "Value": [5]},
    }
