"""From a data set to what the index holds: real files, UIDs that are none, and garbage."""

import warnings
import zlib
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian
from pydicom.valuerep import IS
from support import CT, EXPLICIT, IMPLICIT, Sample, ct, encoded, samples
from support.names import examples

from storage.diagnostics.errors import DataSetError, MismatchError
from storage.dicom import instance_header
from storage.dicom.data_sets import Inflater
from storage.dicom.instance_header import Header
from storage.dicom.values.conversion import element
from storage.dicom.values.uids import UID_KEYWORDS

BIG_ENDIAN, DEFLATED = str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian)
ALL = list(samples())
with warnings.catch_warnings():  # pydicom reads some of them with a remark
    warnings.simplefilter("ignore")
    WITH_UIDS = [sample for sample in ALL if all(sample.uids)]
    WITHOUT_UIDS = [sample for sample in ALL if not all(sample.uids)]
BY_NAME = {sample.name: sample for sample in ALL}
# Of several kinds: text, numbers of text, binary numbers, several values.
COMPARED = ("PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
            "Modality", "SeriesNumber", "InstanceNumber", "SOPClassUID", "ImageType", "Rows",
            "Columns", "BitsAllocated", "NumberOfFrames", "SeriesDescription")  # fmt: skip
# pydicom guesses, and says so, at data sets in another encoding than they claim.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def header(data: bytes, syntax: str = EXPLICIT, charset: str = "ISO_IR 100") -> Header:
    return instance_header.header(BytesIO(data), syntax, charset)


def header_of(sample: Sample) -> Header:
    return header(sample.data_set, sample.transfer_syntax_uid)


def as_text(data_set: Dataset, keyword: str) -> str:
    """What pydicom reads, as on the wire."""
    value = data_set.get(keyword)
    if value is None:
        return ""
    several = list(value) if isinstance(value, MultiValue) else [value]
    # Of numbers of text it keeps what was written.
    written = (one.original_string if isinstance(one, IS) else one for one in several)
    return "\\".join("" if one is None else str(one).strip() for one in written)


# ---- what is read


@pytest.mark.parametrize("sample", WITH_UIDS, ids=[sample.name for sample in WITH_UIDS])
def test_a_real_header_is_read_as_pydicom_reads_it(sample: Sample) -> None:
    found = header_of(sample)
    assert found.uids == sample.uids
    expected = {keyword: as_text(sample.dataset, keyword) for keyword in COMPARED}
    assert {keyword: found[keyword].rstrip("=") for keyword in COMPARED} == expected


@pytest.mark.parametrize("sample", WITHOUT_UIDS, ids=[sample.name for sample in WITHOUT_UIDS])
def test_a_real_file_without_uids_is_refused(sample: Sample) -> None:
    missing = next(k for k in UID_KEYWORDS if not sample.dataset.get(k))
    with pytest.raises(MismatchError) as refused:
        header_of(sample)
    assert refused.value.offending == (Tag(missing),)


def test_the_files_hold_every_kind_of_encoding() -> None:
    assert {IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED} <= {s.transfer_syntax_uid for s in WITH_UIDS}


def test_numbers_are_read_in_the_data_sets_byte_order() -> None:
    data_set = ct("1.1", "1.2", "1.3", Rows=512)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = False, False
    del data_set.PixelData
    write_dataset(buffer, data_set)
    assert header(buffer.getvalue(), BIG_ENDIAN)["Rows"] == "512"
    assert header(encoded(data_set))["Rows"] == "512"
    assert header(encoded(data_set, implicit=True), IMPLICIT)["Rows"] == "512"


def test_a_deflated_data_set_is_read() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = encoded(ct("1.1", "1.2", "1.3"))
    found = header(deflater.compress(data) + deflater.flush(), DEFLATED)
    assert (found.uids, found["PatientName"]) == (("1.1", "1.2", "1.3"), "Doe^Jane")


def test_text_is_read_in_its_own_character_set_and_else_in_the_default() -> None:
    data_set = ct("1.1", "1.2", "1.3", PatientName=None)
    name = element(0x00100010, "PN", "Müller".encode("latin-1"))
    with_name = encoded(data_set).replace(*_in_front_of_patient_id(name, encoded(data_set)))
    assert header(with_name, charset="ISO_IR 100")["PatientName"] == "Müller"
    assert header(with_name, charset="ISO_IR 144")["PatientName"] == "Mќller"
    named = element(0x00080005, "CS", b"ISO_IR 100") + with_name
    assert header(named, charset="ISO_IR 144")["PatientName"] == "Müller"


def _in_front_of_patient_id(name: bytes, data: bytes) -> tuple[bytes, bytes]:
    at = data.index(b"\x10\0\x20\0LO")
    return data[at:], name + data[at:]


def test_values_inside_a_sequence_are_those_of_all_items() -> None:
    items = []
    for number in ("A1", "", "B2"):
        item = Dataset()
        item.RequestedProcedureID = number
        items.append(item)
    data_set = ct("1.1", "1.2", "1.3", RequestAttributesSequence=Sequence(items))
    found = header(encoded(data_set))
    assert found["RequestAttributesSequence_RequestedProcedureID"] == "A1\\B2"
    assert found["RequestAttributesSequence_ScheduledProcedureStepID"] == ""


def test_what_is_absent_is_empty() -> None:
    found = header(encoded(ct("1.1", "1.2", "1.3", PatientID=None, StudyDate="")))
    assert (found["PatientID"], found["StudyDate"], found["SeriesDescription"]) == ("", "", "")


def test_values_against_their_vr_are_kept_as_they_are() -> None:
    data = b"".join([
        element(0x00080016, "UI", b"1.2\0"), element(0x00080018, "UI", b"1.3\0"),
        element(0x00080020, "DA", b"2020.01.15"), element(0x00080050, "SH", b"a" * 40),
        element(0x0020000D, "UI", b"1.1\0"), element(0x0020000E, "UI", b"1.2\0"),
        element(0x00200013, "IS", b"one "),
    ])  # fmt: skip
    found = header(data)
    kept = (found["StudyDate"], found["AccessionNumber"], found["InstanceNumber"])
    assert kept == ("2020.01.15", "a" * 40, "one")


def test_pixel_data_is_not_read() -> None:
    """A header of any length of pixel data: what is behind it may be missing."""
    data = encoded(ct("1.1", "1.2", "1.3"))
    cut = data[: data.index(b"\xe0\x7f\x10\0") + 6]
    assert header(cut).uids == ("1.1", "1.2", "1.3")


# ---- UIDs


def data_set_with(keyword: str, value: bytes) -> bytes:
    held = {"SOPClassUID": CT.encode(), "SOPInstanceUID": b"1.3", "StudyInstanceUID": b"1.1",
            "SeriesInstanceUID": b"1.2", keyword: value}  # fmt: skip
    return b"".join(
        element(Tag(name), "UI", uid + b"\0" * (len(uid) % 2)) for name, uid in held.items()
    )


KEYWORDS = (*UID_KEYWORDS, "SOPClassUID")
NO_UIDS = [
    b"../../x", b"1..2", b".1.2", b"1.2.", b"1" * 65, b"1.2." * 16 + b"3", b"abc", b"1.2.3a", b"",
    b" ", b"\0\0", b"/etc/passwd", b"1.2/3", b"1.2\\1.3", b"1.2\0.3", b"1.2\n", b"-1.2", b"1.2 3",
    "\u0661.\u0662".encode(), b"\xb2.1", b".", b"..",
]  # fmt: skip


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("uid", NO_UIDS, ids=repr)
def test_what_is_no_uid_is_refused_by_name(keyword: str, uid: bytes) -> None:
    with pytest.raises(MismatchError) as refused:
        header(data_set_with(keyword, uid))
    assert refused.value.offending == (Tag(keyword),)
    name = {"SOPClassUID": "SOP Class UID", "SOPInstanceUID": "SOP Instance UID",
            "StudyInstanceUID": "Study Instance UID",
            "SeriesInstanceUID": "Series Instance UID"}[keyword]  # fmt: skip
    assert name in str(refused.value)[:64]


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_missing_uid_is_refused_by_name(keyword: str) -> None:
    data_set = ct("1.1", "1.2", "1.3")
    del data_set[keyword]
    with pytest.raises(MismatchError, match=r"^No S") as refused:
        header(encoded(data_set))
    assert refused.value.offending == (Tag(keyword),)


@pytest.mark.parametrize(("value", "uid"), [
    (b"1.2.3\0", "1.2.3"),
    (b"1.2.3 ", "1.2.3"),
    (b"1.2.30", "1.2.30"),
    (b"1.02.003", "1.02.003"),  # against PS3.5 9.1, and seen in the field
    (b"0", "0"),
    (b"1" * 64, "1" * 64),
])  # fmt: skip
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_uid_is_taken_without_its_padding(keyword: str, value: bytes, uid: str) -> None:
    assert header(data_set_with(keyword, value))[keyword] == uid


# ---- garbage

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
SMALL = encoded(ct("1.1", "1.2", "1.3"))


@settings(deadline=None, database=None, max_examples=examples(300))
@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
@example(b"", EXPLICIT)
@example(b"", DEFLATED)
@example(b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff", EXPLICIT)
@example(b"\x40\0\x75\x02SQ\0\0\x08\0\0\0abcdefgh", EXPLICIT)
@example(b"\x08\0\x16\0UI\xff\xff1.2", EXPLICIT)
def test_garbage_raises_what_is_meant_for_it(data: bytes, syntax: str) -> None:
    with pytest.raises((DataSetError, MismatchError)):
        header(data, syntax)


@settings(deadline=None, database=None, max_examples=examples(150))
@given(st.data())
def test_a_damaged_data_set_raises_nothing_else(data: st.DataObject) -> None:
    """Some bytes of a real one are changed, put in or taken out."""
    held = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(held) - 1))
        held[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    try:
        found = header(bytes(held), data.draw(st.sampled_from(SYNTAXES)))
    except (DataSetError, MismatchError):
        return
    for keyword in KEYWORDS:  # what is let in may become a path
        assert set(found[keyword]) <= set("0123456789.")
        assert 0 < len(found[keyword]) <= 64


# Explicit and Implicit VR Little Endian, Big Endian, deflated.
CUT = ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm")


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CUT)
def test_a_data_set_that_is_cut_short_is_never_another_instance(name: str, step: int) -> None:
    """Cut at every byte of the first 2 KB, or some: refused, or the same UIDs and no others."""
    sample = BY_NAME[name]
    wrong = {}
    for length in range(0, min(2048, len(sample.data_set)), step):
        try:
            found = header(sample.data_set[:length], sample.transfer_syntax_uid)
        except (DataSetError, MismatchError):
            continue
        if found.uids != sample.uids:
            wrong[length] = found.uids
    assert not wrong, f"{len(wrong)} lengths, the first: {next(iter(wrong.items()))}"


# ---- out of order


def out_of_order(keyword: str, in_front: int, syntax: str, bulk: bytes) -> bytes:
    """A data set whose element `keyword` lies behind that of tag `in_front`, or behind all."""
    made = ct("1.1", "1.2", "1.3", PatientID="P1", PatientName="Doe^Jane", Rows=2)
    moved, rest = Dataset(), Dataset()
    for one in made:
        (moved if one.keyword == keyword else rest).add(one)
    parts = [encoded(rest, syntax == IMPLICIT)]
    at = len(encoded(rest[:in_front], syntax == IMPLICIT))
    return parts[0][:at] + bulk + encoded(moved, syntax == IMPLICIT) + parts[0][at:]


def bulk_of(syntax: str, encapsulated: bool) -> bytes:
    """Pixel Data, or a private element of a high tag."""
    if syntax == IMPLICIT:
        return b"\xe0\x7f\x10\x00\x40\x00\x00\x00" + bytes(64)
    head = b"\xe0\x7f\x10\x00OW\x00\x00"
    if not encapsulated:
        return head + b"\x40\x00\x00\x00" + bytes(64)
    item = b"\xfe\xff\x00\xe0"
    fragments = item + bytes(4) + item + b"\x40\x00\x00\x00" + bytes(64)
    return head.replace(b"OW", b"OB") + b"\xff" * 4 + fragments + b"\xfe\xff\xdd\xe0" + bytes(4)


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "StudyInstanceUID",
                                     "SOPInstanceUID", "SOPClassUID"])  # fmt: skip
@pytest.mark.parametrize(("syntax", "encapsulated"), [
    (EXPLICIT, False), (EXPLICIT, True), (IMPLICIT, False),
])  # fmt: skip
@pytest.mark.parametrize("in_front", [0x00280002, 0xFFFFFFFF])
def test_what_is_needed_is_found_behind_pixel_data_too(
    keyword: str, syntax: str, encapsulated: bool, in_front: int
) -> None:
    plain = header(out_of_order("", 0xFFFFFFFF, syntax, b""), syntax)
    data = out_of_order(keyword, in_front, syntax, bulk_of(syntax, encapsulated))
    assert header(data, syntax) == plain


def test_what_is_nowhere_is_still_missing() -> None:
    data = out_of_order("", 0xFFFFFFFF, EXPLICIT, bulk_of(EXPLICIT, True))
    patient = Dataset()
    patient.PatientID = "P1"
    without = data.replace(encoded(patient), b"")
    assert len(without) < len(data)
    assert header(without)["PatientID"] == ""
    # Rubbish behind Pixel Data is looked at, and is nothing to refuse it for.
    assert header(without + b"\x09\x00\x01")["PatientName"] == "Doe^Jane"


# ---- deflated


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("pieces", [1, 3, 1 << 16])
def test_a_zlib_header_in_front_of_deflated_data_is_gone_past(level: int, pieces: int) -> None:
    """PS3.5 A.5 has the data without it; with it some writers send them."""
    data = encoded(ct("1.1", "1.2", "1.3", PatientID="P1", PatientComments="x" * 5000))
    raw = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    plain = raw.compress(data) + raw.flush()
    assert header(plain, DEFLATED) == header(data)
    for wrapped in (zlib.compress(data, level), zlib.compress(data, level) + b"\0"):
        assert header(wrapped, DEFLATED) == header(data)
        inflater, found = Inflater(), b""
        for at in range(0, len(wrapped), pieces):
            found += inflater.decompress(wrapped[at : at + pieces], 1 << 20)
        assert (found, inflater.eof) == (data, True)
