"""De-identified copies hold nothing of what is put where the profile does not look: each place."""

import base64
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from support import CT, EXPLICIT, IMPLICIT, Sample, ct, samples
from support.data.images import GRAY, picture
from support.fuzzing import stuffed
from support.network.raw import ITEM, PIXEL_DATA, SEQUENCE_END, UNDEFINED, encapsulated, ex, im, us
from support.network.raw import rle as rle_frame
from test_deidentify import DAMAGED, Given, deidentified, pixels_of, read

from scp.copies.deidentify.elements.report import DeidentificationReport
from scp.copies.deidentify.instances.copies import Deidentified
from scp.copies.deidentify.pixels.pixel_data import PIXELS
from scp.copies.deidentify.rules.profile import Profile, Retain
from scp.copies.deidentify.rules.pseudonyms import Pseudonyms
from storage import Location
from storage.diagnostics.errors import DataSetError
from storage.dicom import part10

MARK = b"QZMARK"
TEXT = MARK.decode()
SC, US, PDF = (f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("7", "6.1", "104.1"))
JPEG = next(one for one in samples() if one.name == "SC_rgb_jpeg_dcmtk.dcm")
JPEG_LS = next(one for one in samples() if one.name == "MR_small_jpeg_ls_lossless.dcm")
BASELINE, J2K, HTJ2K, RLE = (f"1.2.840.10008.1.2.{one}" for one in ("4.50", "4.91", "4.201", "5"))


def image(**values: Any) -> Dataset:
    described = {
        "Rows": 4, "Columns": 4, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PixelRepresentation": 0, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
    }  # fmt: skip
    return ct("1.1", "1.1.2", "1.2.3", **{**described, **values})


def without_pixels(**values: Any) -> bytes:
    made = image(**values)
    del made.PixelData
    return stuffed.encoded(made, EXPLICIT)


def plain(**values: Any) -> bytes:
    return stuffed.encoded(image(**values), EXPLICIT)


# ---- attributes: values of each VR that are not known to be safe, there and in items

VALUES = {
    "AE": TEXT, "AS": TEXT[:4], "CS": TEXT, "DS": TEXT, "IS": TEXT, "LO": TEXT, "LT": TEXT,
    "PN": TEXT, "SH": TEXT, "ST": TEXT, "UC": TEXT, "UR": TEXT, "UT": TEXT, "DA": TEXT,
    "TM": TEXT, "DT": TEXT, "OB": MARK * 3, "OW": MARK * 3, "FD": MARK * 4, "US": MARK * 2,
}  # fmt: skip
ATTRIBUTES = [
    ("DocumentTitle", "ST"), ("ImageType", "CS"), ("InstanceNumber", "IS"), ("KVP", "DS"),
    ("SliceThickness", "DS"), ("PixelSpacing", "DS"), ("ConversionType", "CS"),
    ("SoftwareVersions", "LO"), ("Laterality", "CS"), ("BodyPartExamined", "CS"),
    ("Manufacturer", "LO"), ("ManufacturerModelName", "LO"), ("WindowCenterWidthExplanation", "LO"),
    ("LUTExplanation", "LO"), ("ImageID", "SH"), ("ReceiveCoilName", "SH"), ("SequenceName", "SH"),
    ("CodeMeaning", "LO"), ("CodeValue", "SH"), ("SegmentLabel", "LO"), ("BeamName", "LO"),
    ("GraphicLayer", "CS"), ("StackID", "SH"), ("ContentLabel", "CS"), ("Modality", "CS"),
    ("ScanOptions", "CS"), ("RetrieveURL", "UR"), ("TrackingID", "UT"), ("LongCodeValue", "UC"),
    ("EvaluatorName", "PN"), ("HPGLDocument", "OB"), ("LUTData", "OW"), ("TextValue", "UT"),
    ("SliceLocationVector", "FD"), ("SpecificCharacterSet", "CS"), ("RescaleType", "LO"),
    ("PatientPosition", "CS"), ("ProtocolElementPurpose", "UT"),
    ("ScheduledProcedureStepPriority", "CS"),
    ("PatientOrientation", "CS"), ("ICCProfile", "OB"), ("TableSpeed", "FD"),
    ("SimpleFrameList", "US"),
    ("RadionuclideTotalDose", "DS"), ("CodingSchemeVersion", "SH"),
    ("MIMETypeOfEncapsulatedDocument", "LO"),
    ("PatientBirthDateInAlternativeCalendar", "LO"), ("TransducerData", "LO"),
    ("ImageComments", "LT"),
]  # fmt: skip
UNKNOWN = {
    "no attribute": (0x00080FF3, "LO"), "retired": (0x00200070, "LO"), "private": (0x00291001,
    "LO"),
    "odd group of old": (0x00090010, "LO"), "overlay": (0x60003000, "OW"),
    "overlay's text": (0x60001500, "LO"), "curve": (0x50003000, "OW"), "group 0004": (0x00041500,
    "CS"),
    "UN": (0x00081090, "UN"), "UN of a number": (0x00200013, "UN"), "another VR": (0x00280010,
    "LO"),
    "text for a sequence": (0x00081140, "LO"), "OB for a sequence": (0x00082112, "OB"),
    "OB for text": (0x00080070, "OB"), "audio": (0x5000200C, "OW"), "padding": (0xFFFCFFFC, "OB"),
}  # fmt: skip


def element(tag: int, vr: str) -> bytes:
    value = VALUES.get(vr, TEXT)
    value = value.encode() if isinstance(value, str) else value
    return ex(tag, vr, value + b" " * (len(value) % 2))


def with_element(data: bytes, tag: int, one: bytes) -> bytes:
    """Before the first element of a higher tag, in place of one of the same."""
    at = 0
    while at < len(data):
        found = int.from_bytes(data[at : at + 2], "little") << 16
        found |= int.from_bytes(data[at + 2 : at + 4], "little")
        is_long = data[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        size = struct.unpack_from("<I" if is_long else "<H", data, at + (8 if is_long else 6))[0]
        end = at + size + (12 if is_long else 8)
        if found >= tag:
            return data[:at] + one + data[end if found == tag else at :]
        at = end
    return data + one


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        *((int(stuffed.Tag(keyword)), vr) for keyword, vr in ATTRIBUTES),
        *UNKNOWN.values(),
    ],
    ids=[*(keyword for keyword, _ in ATTRIBUTES), *UNKNOWN],
)
@pytest.mark.parametrize("place", ["data set", "item", "content", "functional group"])
def test_a_value_that_is_not_known_to_be_safe_goes(tag: int, vr: str, place: str) -> None:
    one, at = element(tag, vr), tag
    holder = {"item": 0x00082218, "content": 0x0040A730, "functional group": 0x52009229}.get(place)
    if holder:
        item = im(ITEM, one, UNDEFINED) + im(0xFFFEE00D, b"")
        one, at = ex(holder, "SQ", item + SEQUENCE_END, UNDEFINED), holder
    data = with_element(plain(), at, one)
    assert MARK[:4] in data
    for option in ((), (Retain.DATES,), (Retain.SHIFTED_DATES,), (Retain.UIDS,)):
        whole = deidentified(data, EXPLICIT, *option)
        assert MARK not in whole
        assert TEXT[:4].encode() not in whole
    assert read(whole).PixelData == bytes(16)


@pytest.mark.parametrize("keyword", [
    "ImageType", "InstanceNumber", "SoftwareVersions", "DocumentTitle", "ContentLabel",
    "SegmentLabel",
])  # fmt: skip
@pytest.mark.parametrize("syntax", [IMPLICIT, stuffed.BIG_ENDIAN, stuffed.DEFLATED])
def test_it_goes_in_each_encoding(keyword: str, syntax: str) -> None:
    made = image()
    made.add_new(stuffed.Tag(keyword), "CS", TEXT)
    file = deidentified(stuffed.encoded(made, syntax), syntax)
    assert MARK not in stuffed.inflated(file)
    assert read(file).PatientIdentityRemoved == "YES"


KEPT = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "PixelSpacing": [0.5, 0.5], "KVP": 120,
    "SliceThickness": 1.25, "InstanceNumber": 7, "BodyPartExamined": "CHEST", "Laterality": "L",
    "PatientPosition": "HFS", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "RescaleType": "HU",
    "ImagePositionPatient": [-1.5, 2, 3.25], "WindowCenter": [40, 400], "Modality": "CT",
    "WindowCenterWidthExplanation": ["WINDOW1", "WINDOW2"], "PatientOrientation": ["L", "PH"],
    "FrameIncrementPointer": 0x00181063, "TableSpeed": 2.5, "ImagedNucleus": "1H", "StackID": "1",
    "ScanningSequence": ["SE", "IR"], "SpecificCharacterSet": "ISO_IR 192",
}  # fmt: skip


def test_what_is_known_to_be_safe_stays() -> None:
    found = read(deidentified(plain(**KEPT)))
    assert {keyword: found[keyword].value for keyword in KEPT} == KEPT


@pytest.mark.parametrize(("vr", "keyword", "value"), [
    ("IS", "InstanceNumber", b"12 Jane "), ("IS", "InstanceNumber", b"1234567890123 "),
    ("DS", "KVP", b"120 kV"), ("DS", "KVP", b"1\\2 "), ("DS", "KVP", b"0x12"),
    ("CS", "BodyPartExamined", b"chest of Jane "), ("CS", "BodyPartExamined", b"JANE"),
    ("US", "Rows", b"\4\0Jane Doe"), ("FD", "TableSpeed", b"0123456"),
    ("UI", "SOPClassUID", b"1.a.2 "),
    ("DA", "StudyDate", b"20241301"), ("TM", "StudyTime", b"251500"),
    ("DT", "AcquisitionDateTime", b"2024Jane"),
    ("AS", "PatientAge", b"Jane"), ("UI", "FrameOfReferenceUID", b"1.2.Jane"),
])  # fmt: skip
def test_a_value_has_the_form_of_its_vr(vr: str, keyword: str, value: bytes) -> None:
    tag = int(stuffed.Tag(keyword))
    data = with_element(plain(), tag, ex(tag, vr, value))
    try:
        file = deidentified(data, EXPLICIT, Retain.DATES, Retain.PATIENT, Retain.UIDS)
    except DataSetError:
        assert keyword in ("Rows", "SOPClassUID")
    else:
        assert ex(tag, vr, value) not in file


def test_a_decimal_that_is_too_long_is_shortened() -> None:
    data = with_element(plain(), 0x00180050, ex(0x00180050, "DS", b"1.2500000000000000001 "))
    assert read(deidentified(data)).SliceThickness == 1.25


def test_codes_of_the_standard_stay_with_its_meaning_and_others_go() -> None:
    made, known, own = image(), Dataset(), Dataset()
    known.CodeValue, known.CodingSchemeDesignator, known.CodeMeaning = "T-D1100", "SRT", TEXT
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "123", "99HOSPITAL", TEXT
    own.CodingSchemeVersion = TEXT
    made.AnatomicRegionSequence = Sequence([known, own])
    file = deidentified(stuffed.encoded(made, EXPLICIT))
    first, second = read(file).AnatomicRegionSequence
    assert (first.CodeValue, first.CodeMeaning) == ("T-D1100", "Head structure (body structure)")
    assert (second.CodeValue, second.CodingSchemeDesignator) == ("0", "99REMOVED")
    assert MARK not in file
    assert b"HOSPITAL" not in file


def test_a_sequence_that_lies_as_un_is_looked_into() -> None:
    item = im(ITEM, im(0x00080070, MARK) + im(0x00200013, b"5 "))
    data = with_element(plain(), 0x00082218, ex(0x00082218, "UN", item))
    file = deidentified(data)
    assert MARK not in file
    assert read(file).AnatomicRegionSequence[0].InstanceNumber == 5


def test_names_that_refer_to_one_another_still_do() -> None:
    made, first, second = image(), Dataset(), Dataset()
    first.OpticalPathIdentifier, second.ReferencedOpticalPathIdentifier = TEXT, TEXT
    made.OpticalPathSequence = Sequence([first])
    made.ReferencedImageSequence = Sequence([second])
    found = read(deidentified(stuffed.encoded(made, EXPLICIT)))
    name = found.OpticalPathSequence[0].OpticalPathIdentifier
    assert name == found.ReferencedImageSequence[0].ReferencedOpticalPathIdentifier != TEXT


@pytest.mark.parametrize("uid", ["1.2.840.10008.99.7654321", "1.3.12.7654321"])
@pytest.mark.parametrize(
    "keyword", ["ReferencedSOPClassUID", "CodingSchemeUID", "MappingResourceUID"]
)
def test_uids_are_the_standards_or_replaced(keyword: str, uid: str) -> None:
    assert b"7654321" not in deidentified(plain(**{keyword: uid}))


def test_the_device_option_keeps_what_makers_write() -> None:
    values = {"Manufacturer": "Maker", "SoftwareVersions": "V1", "ConvolutionKernel": "B30f"}
    found = read(deidentified(plain(**values), EXPLICIT, Retain.DEVICE))
    assert {keyword: found[keyword].value for keyword in values} == values


def test_colours_stay_of_an_icc_profile_and_words_do_not() -> None:
    def tag(name: bytes, at: int, size: int) -> bytes:
        return struct.pack(">4sII", name, at, size)

    values = [
        b"XYZ " + bytes(4) + bytes(range(12)),
        b"curv" + bytes(4) + struct.pack(">IH", 1, 461),
    ]
    words = b"text" + bytes(4) + MARK
    at = 128 + 4 + 3 * 12
    table = tag(b"rXYZ", at, 20) + tag(b"rTRC", at + 20, 14) + tag(b"cprt", at + 34, len(words))
    body = struct.pack(">I", 3) + table + b"".join(values) + words
    head = bytearray(128)
    head[8], head[12:24], head[36:40], head[48:54] = 2, b"mntrRGB XYZ ", b"acsp", MARK
    file = deidentified(plain(ICCProfile=bytes(head) + body + bytes(len(body) % 2)))
    assert MARK not in file
    kept = read(file).ICCProfile
    assert all(value in kept for value in values)
    assert struct.unpack_from(">I", kept)[0] in (len(kept), len(kept) - 1)


# ---- Pixel Data and what is beside it

NATIVE = bytes(range(16))


@pytest.mark.parametrize(("before", "behind"), [
    (b"", MARK), (b"", element(0x00100010, "PN") + ex(0x7FE00020, "OV", bytes(8))),
    (b"", ex(0x7FE00099, "UT", MARK)), (b"", element(0xFFFCFFFC, "OB")),
    (b"", ex(0xFFFAFFFA, "SQ", im(ITEM, element(0x04000015, "CS")))),
    (b"", element(0x7FE11001, "LO")),
    (ex(0x7FE00001, "OV", MARK + b"  "), b""), (ex(0x7FE00003, "UV", MARK + b"  "), b""),
], ids=[
    "tail", "name", "group 7FE0", "padding", "signature", "private", "offsets", "length",
])  # fmt: skip
def test_nothing_is_left_around_native_pixel_data(before: bytes, behind: bytes) -> None:
    head = without_pixels()
    tail = behind if behind == MARK else b""
    data = head + before + ex(PIXEL_DATA, "OW", NATIVE + tail) + (b"" if tail else behind)
    file = deidentified(data)
    assert MARK not in file
    assert read(file).PixelData == NATIVE


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, stuffed.BIG_ENDIAN, stuffed.DEFLATED])
@pytest.mark.parametrize("signed", [0, 1])
def test_unused_bits_hold_nothing(syntax: str, signed: int) -> None:
    values = np.array([0x7ABC, 0x0123, 0xF800, 0x07FF] * 4, "<u2")
    made = image(BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    made.PixelData = values.astype(">u2" if syntax == stuffed.BIG_ENDIAN else "<u2").tobytes()
    found = read(deidentified(stuffed.encoded(made, syntax), syntax)).PixelData
    found = np.frombuffer(found, ">u2" if syntax == stuffed.BIG_ENDIAN else "<u2")
    kept = values & 0xFFF
    wanted = np.where(kept & 0x800, kept | 0xF000, kept) if signed else kept
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("syntax", [EXPLICIT, stuffed.BIG_ENDIAN])
@pytest.mark.parametrize(
    ("bits", "size", "kept"), [(1, 2, b"\xff\1"), (8, 10, b"\xff" * 9 + b"\0")]
)
def test_padding_is_zero(syntax: str, bits: int, size: int, kept: bytes) -> None:
    made = image(Rows=3, Columns=3, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    made.PixelData = b"\xff" * size
    found = read(deidentified(stuffed.encoded(made, syntax), syntax)).PixelData
    if syntax == stuffed.BIG_ENDIAN:
        found = b"".join(found[at : at + 2][::-1] for at in range(0, size, 2))
    assert found == kept


def test_pixel_data_that_nothing_describes_is_not_given_away() -> None:
    with pytest.raises(DataSetError, match="no Rows and Columns"):
        deidentified(plain(Rows=None, PixelData=MARK * 2))


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frames_of(sample: Sample) -> bytes:
    return b"".join(fragments(sample.dataset.PixelData)[1:]).rstrip(b"\0")


def fragments(value: bytes) -> list[bytes]:
    """Those of encapsulated Pixel Data, its table first."""
    found, at = [], 0
    while value[at : at + 4] == b"\xfe\xff\x00\xe0":
        size = struct.unpack_from("<I", value, at + 4)[0]
        found.append(value[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def after_soi(*segments: bytes) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:2] + b"".join(segments) + frame[2:]


IN_JPEG = {
    "EXIF": after_soi(segment(0xE1, b"Exif\0\0" + MARK)), "comment": after_soi(segment(0xFE, MARK)),
    "thumbnail": after_soi(segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\1\2" + MARK)),
    "photo shop": after_soi(segment(0xED, MARK), segment(0xE2, MARK)),
    "spiff": after_soi(segment(0xE8, b"SPIFF\0" + MARK)),
    "reserved": after_soi(segment(0xF1, MARK)),
    "between scans": lambda frame: frame[:-2] + segment(0xEC, MARK) + frame[-2:],
    "unused table": after_soi(segment(0xDB, b"\3" + MARK * 10 + b"tail")),
    "unused codes": after_soi(segment(0xC4, b"\3" + bytes([6]) + bytes(15) + MARK)),
    "fill": lambda frame: frame[:2] + b"\xff\xff" + segment(0xFE, MARK) + frame[2:],
    "behind": lambda frame: frame + MARK,
    "behind with zeros": lambda frame: frame + bytes(9) + MARK,
}  # fmt: skip


@pytest.mark.parametrize("sample", [JPEG, JPEG_LS], ids=lambda one: one.name)
@pytest.mark.parametrize("place", IN_JPEG)
def test_nothing_is_left_in_a_frame_of_jpeg(sample: Sample, place: str) -> None:
    frame = IN_JPEG[place](frames_of(sample))
    given = sample.data_set.partition(b"\xe0\x7f\x10\0")[0]
    given += encapsulated([frame + bytes(len(frame) % 2)])
    file = deidentified(given, sample.transfer_syntax_uid, burned_in=True)
    assert MARK not in file
    assert pixels_of(file) == pixels_of(sample.path.read_bytes())
    assert isinstance(pixels_of(file), bytes)


@pytest.mark.parametrize("sample", [JPEG, JPEG_LS], ids=lambda one: one.name)
def test_coded_data_that_go_on_behind_the_image_are_refused(sample: Sample) -> None:
    frame = frames_of(sample)
    frame = frame[:-2] + MARK * 2 + frame[-2:]
    given = sample.data_set.partition(b"\xe0\x7f\x10\0")[0]
    given += encapsulated([frame + bytes(len(frame) % 2)])
    with pytest.raises(DataSetError, match="cannot be decoded, so anything may be in it"):
        deidentified(given, sample.transfer_syntax_uid, burned_in=True)


def j2k() -> bytes:
    return base64.b64decode(GRAY)


def with_comment(frame: bytes) -> bytes:
    at = frame.index(b"\xff\x90")
    comment = struct.pack(">HHH", 0xFF64, 4 + len(MARK), 1) + MARK
    return frame[:at] + comment + frame[at:]


def with_tile_comment(frame: bytes) -> bytes:
    at, data = frame.index(b"\xff\x90"), frame.index(b"\xff\x93")
    comment = struct.pack(">HHH", 0xFF64, 4 + len(MARK), 1) + MARK
    length = struct.unpack_from(">I", frame, at + 6)[0] + len(comment)
    start = frame[at : at + 6] + struct.pack(">I", length) + frame[at + 10 : data]
    return frame[:at] + start + comment + frame[data:]


def in_boxes(frame: bytes) -> bytes:
    boxes = [(b"jP  ", b"\r\n\x87\n"), (b"uuid", MARK * 4), (b"jp2c", frame), (b"xml ", MARK)]
    return b"".join(struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in boxes)


def in_quantization(frame: bytes) -> bytes:
    at = frame.index(b"\xff\x5c")
    size = struct.unpack_from(">H", frame, at + 2)[0]
    longer = frame[:at] + struct.pack(">HH", 0xFF5C, size + len(MARK))
    return longer + frame[at + 4 : at + 2 + size] + MARK + frame[at + 2 + size :]


@pytest.mark.parametrize(
    "change",
    [with_comment, with_tile_comment, in_quantization, in_boxes, lambda frame: frame + MARK],
    ids=["comment", "tile's comment", "quantization", "boxes", "behind"],
)  # fmt: skip
def test_nothing_is_left_in_a_frame_of_jpeg_2000(change: Callable[[bytes], bytes]) -> None:
    described = {"Rows": 12, "Columns": 16, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    head = without_pixels(**described)
    frame = change(j2k())
    given = head + encapsulated([frame + bytes(len(frame) % 2)])
    file = deidentified(given, HTJ2K)
    assert MARK not in file
    assert pixels_of(file) == pixels_of(
        part10.header(CT, "1.2.3", HTJ2K) + head + encapsulated([j2k() + bytes(len(j2k()) % 2)])
    )
    assert isinstance(pixels_of(file), bytes)


def test_nothing_is_left_in_a_frame_of_rle() -> None:
    pixels = picture(16, shape=(4, 4)).astype("<u2") | 0x7000
    described = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    head = without_pixels(**described)
    high, low = (pixels >> 8).astype("u1").tobytes(), pixels.astype("u1").tobytes()
    frame = bytearray(rle_frame(high, low))
    first, second = struct.unpack_from("<2I", frame, 4)
    gap = (
        bytes(frame[:64]) + MARK + bytes(frame[first:second]) + MARK + bytes(frame[second:]) + MARK
    )
    gap = gap[:4] + struct.pack("<2I", first + 6, second + 12) + MARK + gap[18:]
    file = deidentified(head + encapsulated([gap]), RLE)
    assert MARK not in file
    words = np.frombuffer(bytes(pixels_of(file)), "<u2")  # type: ignore[call-overload]
    assert words.tolist() == (pixels & 0xFFF).reshape(-1).tolist()


def test_a_run_of_rle_ends_with_its_segment() -> None:
    head, size = without_pixels(), 16
    run = bytes([size + len(MARK) - 1]) + NATIVE + MARK
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + run + bytes(len(run) % 2)
    file = deidentified(head + encapsulated([frame]), RLE)
    assert MARK not in file
    assert pixels_of(file) == NATIVE
    last = bytes([14]) + NATIVE[:15] + bytes([257 - 9]) + b"Z"
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + last
    file = deidentified(head + encapsulated([frame]), RLE)
    assert pixels_of(file) == NATIVE[:15] + b"Z"


def test_pixel_data_in_an_item_goes() -> None:
    item = im(ITEM, us(0x00280010, 4) + us(0x00280011, 4) + ex(PIXEL_DATA, "OW", MARK + bytes(10)))
    for tag in (0x00880200, 0x00082218, 0x52009229):
        assert MARK not in deidentified(with_element(plain(), tag, ex(tag, "SQ", item)))


@pytest.mark.parametrize(("tag", "vr", "value"), [
    (0x00080201, "SH", MARK), (0x00189305, "FD", b"JANE DOE"), (0x00081190, "UR", MARK),
    (0x54001010, "OW", bytes(64) + MARK), (0x00281201, "OW", bytes(512) + MARK),
], ids=["time zone", "8 letters", "URL", "waveform", "palette"])  # fmt: skip
def test_a_value_that_is_more_than_it_should_be_is_cut_or_goes(
    tag: int, vr: str, value: bytes
) -> None:
    data = with_element(plain(), 0x00281101, ex(0x00281101, "US", struct.pack("<3H", 256, 0, 16)))
    if tag == 0x54001010:
        one = us(0x003A0005, 2) + ex(0x003A0010, "UL", struct.pack("<I", 16))
        one += us(0x54001004, 16) + ex(tag, vr, value)
        tag, one = 0x54000100, ex(0x54000100, "SQ", im(ITEM, one))
    else:
        one = ex(tag, vr, value)
    for option in ((), (Retain.DATES,)):
        file = deidentified(with_element(data, tag, one), EXPLICIT, *option)
        assert value[-6:] not in file
    if tag == 0x54000100:
        assert read(file).WaveformSequence[0].WaveformData == bytes(64)


@pytest.mark.parametrize("tables", ["basic", "extended", "both"])
def test_tables_of_offsets_fit_the_frames_as_they_are_then(tables: str) -> None:
    frame = frames_of(JPEG) + bytes(len(frames_of(JPEG)) % 2)
    given = JPEG.data_set.partition(b"\xe0\x7f\x10\0")[0]
    given = with_element(given, 0x00280008, ex(0x00280008, "IS", b"2 "))
    if tables != "basic":
        given += ex(0x7FE00001, "OV", MARK + b"  ") + ex(0x7FE00002, "OV", MARK + b"  ")
    marked = IN_JPEG["comment"](frame)
    table = MARK + b"  " if tables != "extended" else b""
    given += encapsulated([marked + bytes(len(marked) % 2), frame], table)
    file = deidentified(given, BASELINE, burned_in=True)
    assert MARK not in file
    found = read(file)
    table, first, second = fragments(found.PixelData)
    offsets = [0, 8 + len(first)]
    if tables == "basic":
        assert struct.unpack("<2I", table) == tuple(offsets)
    else:
        assert not table
        assert struct.unpack("<2Q", found.ExtendedOffsetTable) == tuple(offsets)
        lengths = struct.unpack("<2Q", found.ExtendedOffsetTableLengths)
        assert lengths == (len(first), len(second))


# ---- what is refused, and what takes it

REFUSED = {
    "burned in": ({"BurnedInAnnotation": "YES"}, "burned in annotation, which", "takes_burned_in"),
    "in small letters": ({"BurnedInAnnotation": "yes"}, "burned in", "takes_burned_in"),
    "another word": ({"BurnedInAnnotation": "MAYBE"}, "burned in", "takes_burned_in"),
    "ultrasound": ({"Modality": "US", "SOPClassUID": US}, "does not say", "takes_burned_in"),
    "secondary capture": ({"SOPClassUID": SC}, "does not say", "takes_burned_in"),
    "a screen": ({"ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"}, "does not say",
    "takes_burned_in"),
    "a scanned film": ({"ConversionType": "DF"}, "does not say", "takes_burned_in"),
    "photographs": ({"Modality": "XC"}, "does not say", "takes_burned_in"),
    "a label": (
        {"ImageType": "ORIGINAL\\PRIMARY\\LABEL\\NONE", "BurnedInAnnotation": "NO"}, "label",
        "takes_burned_in",
    ),
    "a slide with its label": (
        {"SpecimenLabelInImage": "YES", "BurnedInAnnotation": "NO"}, "label", "takes_burned_in",
    ),
    "a face": ({"RecognizableVisualFeatures": "YES"}, "recognized", "takes_recognizable"),
    "a document": ({"SOPClassUID": PDF}, "encapsulated document", ""),
    "a class of nobody's": ({"SOPClassUID": "1.3.12.2.1107.5.9.1"}, "none of the standard's", ""),
}  # fmt: skip


def given_away(
    data: bytes, syntax: str = EXPLICIT, report: DeidentificationReport | None = None, **takes: bool
) -> bytes:
    location = Location(("1", "2", "1.2.3"), CT, syntax, len(data), "", "")
    copies = Deidentified(
        Given(CT, "1.2.3", syntax, data), Profile(**takes), Pseudonyms(b"s" * 32), report
    )
    with copies.open(location).file as file:
        return file.read()


@pytest.mark.parametrize("kind", REFUSED)
def test_what_may_show_who_it_is_is_refused_unless_it_is_asked_for(kind: str) -> None:
    values, words, option = REFUSED[kind]
    data = plain(**values)
    with pytest.raises(DataSetError, match=words) as refused:
        given_away(data)
    others = {"takes_burned_in", "takes_recognizable", "takes_video"} - {option}
    with pytest.raises(DataSetError, match=words):
        given_away(data, **dict.fromkeys(others, True))
    if option:
        flag = option.removeprefix("takes_").replace("_", "-")
        assert f"--{flag} takes it as it is" in str(refused.value)
        assert read(given_away(data, **{option: True})).PixelData == bytes(16)


def test_all_that_refuses_it_is_said_at_once() -> None:
    data = plain(BurnedInAnnotation="YES", RecognizableVisualFeatures="YES")
    with pytest.raises(DataSetError, match="--burned-in --recognizable take it as it is"):
        given_away(data)


def test_video_is_refused_unless_it_is_asked_for() -> None:
    head, syntax = without_pixels(), "1.2.840.10008.1.2.4.102"
    data = head + encapsulated([b"\0\0\1\xb3" * 4], MARK + b"  ")
    with pytest.raises(DataSetError, match="--video takes it"):
        given_away(data, syntax)
    file = given_away(data, syntax, takes_video=True)
    assert MARK not in file
    assert fragments(read(file).PixelData) == [b"", b"\0\0\1\xb3" * 4]


@pytest.mark.parametrize("syntax", [
    "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.8.1", "1.2.3.4",
    "nonsense",
])  # fmt: skip
def test_a_syntax_that_nothing_reads_is_refused(syntax: str) -> None:
    with pytest.raises(DataSetError, match="nothing here reads"):
        given_away(plain(), syntax, takes_burned_in=True, takes_video=True)


@pytest.mark.parametrize("data", [
    ex(PIXEL_DATA, "OW", NATIVE) + ex(PIXEL_DATA, "OW", MARK * 2),
    ex(0x7FE00008, "OF", bytes(64)) + ex(PIXEL_DATA, "OW", NATIVE),
    encapsulated([MARK]),
], ids=["twice", "two kinds", "fragments in a native syntax"])  # fmt: skip
def test_pixel_data_that_is_not_as_it_should_be_is_refused(data: bytes) -> None:
    with pytest.raises(DataSetError, match="Pixel Data"):
        given_away(without_pixels() + data)


# ---- what is told, and what stays


def test_what_was_taken_is_told_by_name() -> None:
    report = DeidentificationReport()
    values = {"Manufacturer": TEXT, "BodyPartExamined": TEXT, "InstanceNumber": "1"}
    data = with_element(plain(**values), 0x00200013, ex(0x00200013, "IS", MARK))
    data = with_element(data, 0x00291001, element(0x00291001, "LO"))
    given_away(data, report=report)
    given_away(data + ex(0x7FE11001, "LO", MARK), report=report)
    first, second = report.lines()
    for words in ("Manufacturer (2)", "BodyPartExamined (2)", "InstanceNumber (2)",
                  "private attributes (2)", "elements behind the Pixel Data (1)"):  # fmt: skip
        assert words in first
    assert TEXT not in first
    assert "face" in second


# Of Type 1 in the IODs of the samples (PS3.3 A): what was there is there, with a value.
TYPE_1 = """
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality ImageType Rows
    Columns SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit
    PixelRepresentation PixelSpacing ImageOrientationPatient ImagePositionPatient
    FrameOfReferenceUID RescaleIntercept RescaleSlope ScanningSequence SequenceVariant
    ConversionType PlanarConfiguration LossyImageCompression FrameIncrementPointer DoseUnits
    DoseType DoseSummationType RTPlanLabel RTPlanGeometry FractionGroupSequence BeamSequence
    SegmentSequence SegmentationType ContentLabel DimensionOrganizationSequence
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence ValueType CompletionFlag
    VerificationFlag ContentSequence WaveformSequence ContentDate ContentTime InstanceNumber
    Manufacturer ReferencedRTPlanSequence
"""


@pytest.mark.parametrize(
    "sample",
    [one for one in samples() if "TINY_ALPHA/PT" not in one.name],
    ids=lambda one: one.name,
)
def test_each_sample_is_whole_afterwards(sample: Sample, tmp_path: Path) -> None:
    if sample.path.stem in DAMAGED:
        return
    file = deidentified(
        sample.data_set, sample.transfer_syntax_uid, sop_class=sample.sop_class_uid,
        instance=sample.sop_instance_uid, burned_in=True,
    )  # fmt: skip
    before, after = sample.dataset, read(file)
    lost = [
        k for k in TYPE_1.split() if before.get(k) not in (None, "") and after.get(k) in (None, "")
    ]
    assert lost == []
    assert [e.tag for e in after if e.tag.is_private or not e.keyword] == []
    for one in after.iterall():
        assert one.VR not in ("UN", "PN") or str(one.value or "ANON").startswith(
            ("ANON", "REMOVED")
        )
    if shutil.which("dcmdump"):
        path = tmp_path / "one.dcm"
        path.write_bytes(file)
        done = subprocess.run(["dcmdump", "-q", str(path)], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


# ---- every attribute that there is


def marked(vr: str) -> bytes:
    """A value of so many bytes as a VR has, none of which it should be."""
    value = VALUES.get(vr, TEXT)
    value = value.encode() if isinstance(value, str) else value
    size = {"FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4, "AT": 4}.get(vr, 8 if vr in EIGHT else 2)
    value = value if len(value) > 6 or vr not in BINARY else MARK * 4
    return value + (b" " if vr not in BINARY else b"A") * (-len(value) % size)


EIGHT = ("FD", "OD", "OV", "SV", "UV")
BINARY = ("AT", "FL", "OB", "OF", "OL", "OW", "SL", "SS", "UL", "UN", "US", *EIGHT)
# Groups of commands and of the header are in no data set.
EVERY = [
    (tag, vr.split(" ")[0])
    for tag, (vr, *_) in sorted(DicomDictionary.items())
    if tag >> 16 > 0x0002 and tag not in PIXELS and vr not in ("SQ", "NONE")
]


def of_every(chosen: Callable[[str], str], described: bytes) -> bytes:
    """All attributes of PS3.6 with a mark in each; `described` in place of those that it has."""
    there = dict(elements_of(described))
    for tag, vr in EVERY:
        there.setdefault(tag, ex(tag, chosen(vr), marked(vr)))
    return b"".join(there[tag] for tag in sorted(there))


def elements_of(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        group, number = struct.unpack_from("<HH", data, at)
        is_long = data[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        size = struct.unpack_from("<I" if is_long else "<H", data, at + (8 if is_long else 6))[0]
        end = at + size + (12 if is_long else 8)
        found.append((group << 16 | number, data[at:end]))
        at = end
    return found


@pytest.mark.parametrize(("option", "nested", "wrong"), [
    ((), False, False), ((), True, False), ((), False, True), ((), True, True),
    ((Retain.UIDS, Retain.DATES), False, False), ((Retain.SHIFTED_DATES,), True, False),
])  # fmt: skip
def test_of_all_attributes_there_are_no_mark_is_left(
    option: tuple[Retain, ...], nested: bool, wrong: bool
) -> None:
    described = plain(
        BurnedInAnnotation="NO", RecognizableVisualFeatures="NO", SpecimenLabelInImage="NO",
        NumberOfFrames="1", ImageType="ORIGINAL", ConversionType="WSD",
    )  # fmt: skip
    data = of_every(lambda vr: "UN" if wrong else vr, b"" if nested else described)
    if nested:
        one = ex(0x52009230, "SQ", im(ITEM, data, UNDEFINED) + im(0xFFFEE00D, b""))
        data = with_element(described, 0x52009230, one)
    assert data.count(MARK) > 3000
    file = deidentified(data, EXPLICIT, *option)
    assert [hex(e.tag) for e in read(file).iterall() if MARK[2:] in str(e.value).encode()] == []
    assert MARK not in file
    assert read(file).PixelData == bytes(16)
