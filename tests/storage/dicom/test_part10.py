"""The Part 10 header: what is written is what pydicom reads, and what is read is whole."""

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from support import CT, EXPLICIT, IMPLICIT, TEST_FILES, ct, encoded
from support.data.images import BIG_ENDIAN, DEFLATED

from storage.diagnostics.errors import DataSetError
from storage.dicom import part10
from storage.dicom.part10 import FileMeta
from storage.dicom.values.conversion import element, uid_bytes

# Of even and of odd length, the shortest and the longest.
INSTANCES = ["1.2", "1.2.3", "0", "1" * 63, "1" * 64]
DATA = encoded(ct("1.1", "1.2", "1.3"))
HEADER = part10.header(CT, "1.3", EXPLICIT)


def read(data: bytes) -> FileMeta:
    return part10.read(BytesIO(data))


@pytest.mark.parametrize("instance", INSTANCES)
def test_pydicom_reads_the_header_that_was_written(instance: str) -> None:
    data_set = dcmread(BytesIO(part10.header(CT, instance, EXPLICIT) + DATA))
    meta = data_set.file_meta
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == instance
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.ImplementationClassUID == part10.IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == part10.IMPLEMENTATION_VERSION_NAME
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert data_set.preamble == bytes(128)
    assert data_set.PatientName == "Doe^Jane"


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_group_length_reaches_to_the_data_set(instance: str) -> None:
    head = part10.header(CT, instance, IMPLICIT)
    assert head[132:140] == b"\2\0\0\0UL\4\0"
    assert struct.unpack_from("<I", head, 140)[0] == len(head) - 144
    assert len(head) % 2 == 0


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_header_that_was_written_is_read_back(instance: str) -> None:
    head = part10.header(CT, instance, IMPLICIT)
    file = BytesIO(head + DATA)
    assert part10.read(file) == FileMeta(CT, instance, IMPLICIT, len(head))
    assert file.read() == DATA


def test_it_names_an_implementation_as_ps3_7_allows() -> None:
    assert len(part10.IMPLEMENTATION_CLASS_UID) <= 64
    assert 1 <= len(part10.IMPLEMENTATION_VERSION_NAME) <= 16


def is_part10(path: str) -> bool:
    return (TEST_FILES / path).read_bytes()[128:132] == b"DICM"


FILES = sorted(
    str(path.relative_to(TEST_FILES))
    for path in TEST_FILES.rglob("*")
    if path.is_file() and is_part10(str(path.relative_to(TEST_FILES)))
)


@pytest.mark.parametrize("name", FILES)
def test_the_header_of_a_real_file_is_read_as_pydicom_reads_it(name: str) -> None:
    path = TEST_FILES / name
    expected = dcmread(path, stop_before_pixels=True, force=True).file_meta
    syntax = expected.get("TransferSyntaxUID")
    with path.open("rb") as file:
        if not syntax:
            with pytest.raises(DataSetError, match="Transfer Syntax"):
                part10.read(file)
            return
        found = part10.read(file)
        rest = file.read()
    assert found.transfer_syntax_uid == syntax
    assert found.sop_class_uid == expected.get("MediaStorageSOPClassUID", "")
    assert found.sop_instance_uid == expected.get("MediaStorageSOPInstanceUID", "")
    assert found.data_set_offset == path.stat().st_size - len(rest)
    if syntax != DeflatedExplicitVRLittleEndian:
        assert rest[:2] not in (b"\2\0", b"\0\2"), "the data set begins in the header"


def test_the_files_hold_one_without_group_length() -> None:
    name = "no_meta_group_length.dcm"
    assert name in FILES
    assert b"\2\0\0\0UL" not in (TEST_FILES / name).read_bytes()[:200]


META = (
    element(0x00020001, "OB", b"\0\1"),
    element(0x00020002, "UI", CT.encode() + b"\0"),
    element(0x00020003, "UI", b"1.3\0"),
    element(0x00020010, "UI", EXPLICIT.encode() + b"\0"),
)
# pydicom guesses at files whose header tells another encoding than they have.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PREAMBLE = b"\0" * 128 + b"DICM"


@pytest.mark.parametrize("group_length", [
    b"",
    element(0x00020000, "UL", struct.pack("<I", 0)),
    element(0x00020000, "UL", struct.pack("<I", 7)),
    element(0x00020000, "UL", struct.pack("<I", 2**32 - 1)),
], ids=["missing", "zero", "wrong", "beyond the file"])  # fmt: skip
def test_the_group_length_does_not_matter(group_length: bytes) -> None:
    head = PREAMBLE + group_length + b"".join(META)
    assert read(head + DATA) == FileMeta(CT, "1.3", EXPLICIT, len(head))


def odd_header(syntax: str, order: str, implicit_vr: bool, length: bool = True) -> bytes:
    """A header in another encoding than it has to have, without preamble."""

    def one(tag: int, vr: str, value: bytes) -> bytes:
        return element(tag, vr, value, implicit_vr, order == "<")

    body = one(0x00020002, "UI", CT.encode() + b"\0") + one(0x00020003, "UI", b"1.3\0")
    body += one(0x00020010, "UI", uid_bytes(syntax)) + one(0x00020016, "AE", b"SOMEONE ")
    return one(0x00020000, "UL", struct.pack(order + "I", len(body))) * length + body


@pytest.mark.parametrize("length", [True, False], ids=["with a length", "without"])
@pytest.mark.parametrize("implicit_vr", [True, False], ids=["implicit", "explicit"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_a_header_in_another_encoding_is_read(
    syntax: str, order: str, implicit_vr: bool, length: bool
) -> None:
    head = PREAMBLE + odd_header(syntax, order, implicit_vr, length)
    data = b"\0\x08\0\x05" + DATA if syntax == BIG_ENDIAN else DATA
    assert read(head + data) == FileMeta(CT, "1.3", syntax, len(head))


@pytest.mark.parametrize("prefix", [b"DICM", b""], ids=["no preamble", "no prefix"])
@pytest.mark.parametrize(("order", "implicit_vr"), [("<", False), ("<", True), (">", False)])
def test_a_header_without_preamble_is_read_where_it_is_asked_for(
    prefix: bytes, order: str, implicit_vr: bool
) -> None:
    head = prefix + odd_header(EXPLICIT, order, implicit_vr)
    found = part10.read_without_preamble(BytesIO(head + DATA))
    assert found == FileMeta(CT, "1.3", EXPLICIT, len(head))
    for other in (DATA, b"", b"DICM", b"\2", b"\2\0\1\0\xff\xff\xff\xff" + DATA):
        assert part10.read_without_preamble(BytesIO(other)) is None


def foreign(*elements: bytes, syntax: str = EXPLICIT, length: int | None = None) -> bytes:
    """A header of another writer's, with `elements` at its end and a group length."""
    meta = [*META[:3], element(0x00020010, "UI", uid_bytes(syntax)), *elements]
    body = b"".join(meta)
    size = len(body) if length is None else length
    return PREAMBLE + element(0x00020000, "UL", struct.pack("<I", size)) + body


def implicit(tag: int, value: bytes) -> bytes:
    return element(tag, "", value, implicit_vr=True)


TITLE, SYNTAX = element(0x00020016, "AE", b"SOMEONE "), element(0x00020010, "UI", b"1.2.4\0")
VERSION = element(0x00020013, "SH", b"OTHER_1 ")
META_LENGTH = len(foreign()) - len(PREAMBLE) - 12


@pytest.mark.parametrize(("head", "data"), [
    (foreign(), TITLE + DATA),
    (foreign(), SYNTAX + DATA),
    (foreign(), META[1] + SYNTAX + DATA),
    (foreign(VERSION), VERSION + SYNTAX + DATA),
    (foreign(syntax=IMPLICIT), implicit(0x00020010, b"1.2.4\0") + DATA),
    (foreign(VERSION, syntax=IMPLICIT), SYNTAX + DATA),
    (foreign(syntax=BIG_ENDIAN), b"\0\2\0\x10UI\0\6" + b"1.2.4\0"),
    (foreign(syntax=DEFLATED), b"\2\0\x13\0SH\2\0AA" + DATA),
    (foreign(syntax="1.2.840.113619.5.2"), TITLE + DATA),
    (PREAMBLE + b"".join(META), SYNTAX + DATA),
    (foreign(length=7), SYNTAX + DATA),
    (HEADER, TITLE + DATA),
    (HEADER, HEADER[132:] + DATA),
    (part10.header(CT, "1.3", IMPLICIT), TITLE + DATA),
    (part10.header(CT, "1.3", BIG_ENDIAN), TITLE + DATA),
    (part10.header(CT, "1.3", DEFLATED), b"\2\0\xff\xff\xff\xff\xff\xff\xff"),
], ids=[
    "a title", "a syntax", "several", "what the header has too", "implicit", "a whole header left",
    "big endian", "deflated", "a private syntax", "no group length", "a wrong group length", "ours",
    "ours twice", "ours, implicit", "ours, big endian", "ours, deflated",
])  # fmt: skip
def test_a_data_set_that_begins_with_group_0002_begins_there(head: bytes, data: bytes) -> None:
    found = read(head + data)
    assert (found.data_set_offset, found.sop_instance_uid) == (len(head), "1.3")
    assert found.transfer_syntax_uid in (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED,
                                         "1.2.840.113619.5.2")  # fmt: skip


@pytest.mark.parametrize("head", [
    foreign(VERSION, syntax=IMPLICIT, length=META_LENGTH - 2),
    foreign(VERSION, TITLE, syntax=BIG_ENDIAN, length=META_LENGTH - 2),
    foreign(VERSION, length=META_LENGTH + 3),
    foreign(VERSION, length=META_LENGTH + 4000),
    foreign(VERSION, length=len(b"".join(META[:2]))),
], ids=["too short, implicit", "too short, big endian", "beside an element", "too long",
        "in front of the transfer syntax"])  # fmt: skip
def test_a_header_goes_on_where_its_length_is_no_end(head: bytes) -> None:
    assert read(head + DATA).data_set_offset == len(head)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, "1.2.3"])
@pytest.mark.parametrize("data", [b"", b"\2", b"\2\0", TITLE, SYNTAX + DATA, b"\2\0" * 9])
def test_a_file_of_ours_is_read_as_what_it_was_made_of(syntax: str, data: bytes) -> None:
    head = part10.header(CT, "1.3", syntax)
    assert part10.is_read_back(head, data)
    assert read(head + data) == FileMeta(CT, "1.3", syntax, len(head))


def test_elements_that_say_nothing_here_are_passed_over() -> None:
    extra = element(0x00020016, "AE", b"SENDER") + element(0x00020102, "OB", b"private ")
    head = PREAMBLE + b"".join(META) + extra
    assert read(head + DATA).data_set_offset == len(head)


def test_a_preamble_may_hold_anything() -> None:
    assert read(b"II*\0" * 32 + HEADER[128:] + DATA).sop_instance_uid == "1.3"


def test_a_file_without_a_data_set_has_a_header() -> None:
    assert read(HEADER).data_set_offset == len(HEADER)


@pytest.mark.parametrize("data", [
    b"", b"DICM", b"\0" * 128, b"\0" * 131 + b"DICM", DATA, b"\0" * 128 + b"dicm" + HEADER[132:],
    b"%PDF-1.7" * 40,
], ids=["nothing", "a prefix alone", "zeros", "a prefix too late", "no preamble", "another prefix",
        "another format"])  # fmt: skip
def test_what_is_no_dicom_file_is_refused(data: bytes) -> None:
    with pytest.raises(DataSetError, match="Not a DICOM file"):
        read(data)


@pytest.mark.parametrize("meta", [
    b"".join(META[:3]),
    b"".join(META[:3]) + element(0x00020010, "UI", b""),
    b"".join(META[:3]) + element(0x00020010, "UI", b"\0\0"),
    b"",
], ids=["missing", "empty", "padding", "no header at all"])  # fmt: skip
def test_a_file_that_tells_no_transfer_syntax_is_refused(meta: bytes) -> None:
    with pytest.raises(DataSetError, match="Transfer Syntax"):
        read(PREAMBLE + meta + DATA)


def test_an_element_without_end_is_refused() -> None:
    endless = b"\2\0\x02\x01OB\0\0\xff\xff\xff\xff"
    with pytest.raises(DataSetError):
        read(PREAMBLE + b"".join(META) + endless + DATA)


def test_a_file_cut_at_any_byte_is_refused_or_tells_the_truth() -> None:
    """Behind the Transfer Syntax UID nothing is needed; in front of its end all is missing."""
    end = HEADER.index(b"\2\0\x12\0")
    wrong = {}
    for length in range(len(HEADER)):
        try:
            found = read(HEADER[:length])
        except DataSetError:
            continue
        told = (found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid)
        if length < end or told != (CT, "1.3", EXPLICIT):
            wrong[length] = told
    assert not wrong, f"{len(wrong)} lengths, the first: {next(iter(wrong.items()))}"


@settings(deadline=None, database=None)
@given(st.binary(max_size=200), st.booleans())
def test_garbage_raises_nothing_else(data: bytes, behind_meta: bool) -> None:
    with suppress(DataSetError):
        read(PREAMBLE + (b"".join(META) if behind_meta else b"\2\0") + data)
