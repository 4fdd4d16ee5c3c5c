"""De-identified copies: what is left of every attribute, and of what instances say of others."""

from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from support import CT, EXPLICIT, IMPLICIT, Sample, ct, samples
from support.fuzzing import stuffed
from support.fuzzing.stuffed import BIG_ENDIAN, DEFLATED, KEYWORDS

from scp.copies.corrected.corrected import Copy
from scp.copies.corrected.transcode import TranscodeError, transcode_file
from scp.copies.deidentify.instances.copies import Deidentified
from scp.copies.deidentify.rules.options import DEVICE, INSTITUTION, PATIENT
from scp.copies.deidentify.rules.profile import Profile, Retain
from scp.copies.deidentify.rules.pseudonyms import Pseudonyms, secret_of
from scp.copies.deidentify.rules.table import PROFILE
from storage import Location
from storage.diagnostics.errors import DataSetError
from storage.dicom import part10
from storage.journal import FolderJournal

KO = "1.2.840.10008.5.1.4.1.1.88.59"
SECRET = b"s" * 32
DAMAGED = {"MR_truncated", "rtplan_truncated"}
TEMPORAL = {"DA", "DT", "TM"}


class Given:
    """Copies of whatever bytes they are given."""

    def __init__(self, sop_class: str, instance: str, syntax: str, data: bytes) -> None:
        self._instance = instance
        self._file = part10.header(sop_class, instance, syntax) + data

    def open(self, location: Location) -> Copy:
        return Copy(BytesIO(self._file), self._instance)

    def expect(self, locations: Any, whole: bool = True) -> Any:
        return locations

    def fault_of(self, location: Location) -> str:
        return ""


def deidentified(
    data: bytes, syntax: str = EXPLICIT, *retained: Retain, secret: bytes = SECRET,
    sop_class: str = CT, instance: str = "1.2.3", burned_in: bool = False,
) -> bytes:  # fmt: skip
    profile = Profile(frozenset(retained), takes_burned_in=burned_in)
    inner = Given(sop_class, instance, syntax, data)
    location = Location(("1", "2", instance), sop_class, syntax, len(data), "", "")
    copy = Deidentified(inner, profile, Pseudonyms(secret)).open(location)
    with copy.file as file:
        whole = file.read()
        file.seek(0)
        assert part10.read(file).sop_instance_uid == copy.sop_instance_uid
    return whole


def pixels_of(file: bytes) -> object:
    """The pixels of a Part 10 file, by the decoders of the node; or why there are none."""
    if not read(file).file_meta.TransferSyntaxUID.is_encapsulated:
        return read(file).pixel_array.tobytes()
    try:
        with transcode_file(BytesIO(file), EXPLICIT) as made:
            return read(part10.header(CT, "1.2.3", EXPLICIT) + made.read()).PixelData
    except TranscodeError as error:
        return str(error)


def read(file: bytes) -> Dataset:
    return dcmread(BytesIO(file))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize(("charset", "letter"), [
    ("", ""), ("ISO_IR 100", "Ö"), ("\\ISO 2022 IR 87", "山田"), ("ISO_IR 192", "Ж山"),
    ("GB18030", "王"),
], ids=["ascii", "latin 1", "iso 2022", "utf 8", "gb18030"])  # fmt: skip
def test_nothing_of_any_attribute_is_left(syntax: str, charset: str, letter: str) -> None:
    made, secrets = stuffed.stuffed(charset, letter)
    data = stuffed.encoded(made, syntax)
    if syntax != DEFLATED:
        assert all(value in data for value in secrets.found)
    left = stuffed.inflated(deidentified(data, syntax))
    assert [value for value in secrets.found if value in left] == []
    assert read(deidentified(data, syntax)).PixelData == b"\1\2\3\4" * 50


@lru_cache
def _before_and_after(*retained: Retain) -> tuple[Dataset, Dataset]:
    made, _ = stuffed.stuffed()
    data = stuffed.encoded(made, EXPLICIT)
    before = read(part10.header(CT, "1.2.3", EXPLICIT) + data)
    return before, read(deidentified(data, EXPLICIT, *retained))


# What the codes of PS3.15 table E.1-1a may leave of a value.
ALLOWED = {
    "D": {"other"}, "Z": {"empty", "other"}, "X": {"absent"}, "U": {"other"},
    "Z/D": {"empty", "other"}, "X/Z": {"absent", "empty"}, "X/D": {"absent", "other"},
    "X/Z/D": {"absent", "empty", "other"}, "X/Z/U*": {"absent", "empty", "other"},
}  # fmt: skip


@pytest.mark.parametrize("nested", [False, True], ids=["data set", "item"])
def test_each_attribute_becomes_what_the_profile_says(nested: bool) -> None:
    before, after = _before_and_after()
    if nested:
        before, after = (
            one.PerFrameFunctionalGroupsSequence[0].SharedFunctionalGroupsSequence[0]
            for one in (before, after)
        )
    wrong = {}
    for code, keyword in KEYWORDS:
        if keyword == "GraphicAnnotationSequence" or Tag(keyword).group < 0x0008:
            code = "X"  # no IOD needs it, and what is of directories is in no data set
        found = _became(keyword, before, after)
        if found not in ALLOWED[code]:
            wrong[keyword] = code, found
    assert not wrong


def _became(keyword: str, before: Dataset, after: Dataset) -> str:
    if keyword not in after:
        return "absent"
    if not after[keyword].value:
        return "empty" if dictionary_VR(Tag(keyword)) not in ("US", "FD") else "other"
    return "other" if after[keyword].value != before[keyword].value else "same"


# Rows as PS3.15 2024b has them, apart from the table that they are held against.
@pytest.mark.parametrize(("keyword", "code"), [
    ("AccessionNumber", "Z"), ("PatientName", "Z"), ("PatientID", "Z/D"), ("StudyDate", "Z"),
    ("PatientBirthDate", "Z"), ("PatientSex", "Z"), ("ReferringPhysicianName", "Z"),
    ("StudyID", "Z"), ("StudyTime", "Z"), ("PatientAge", "X"), ("PatientAddress", "X"),
    ("OtherPatientIDs", "X"), ("OtherPatientIDsSequence", "X"), ("StudyDescription", "X"),
    ("SeriesDescription", "X"), ("InstitutionAddress", "X"), ("InstitutionName", "X/Z/D"),
    ("OperatorsName", "X/Z/D"), ("StationName", "X/Z/D"), ("DeviceSerialNumber", "X/Z/D"),
    ("ProtocolName", "X/D"), ("SeriesDate", "X/D"), ("ContentDate", "Z/D"),
    ("AcquisitionDate", "X/Z"), ("StudyInstanceUID", "U"), ("SeriesInstanceUID", "U"),
    ("SOPInstanceUID", "U"), ("FrameOfReferenceUID", "U"), ("ReferencedSOPInstanceUID", "U"),
    ("ReferencedImageSequence", "X/Z/U*"), ("SourceImageSequence", "X/Z/U*"),
    ("ContentSequence", "D"), ("PersonName", "D"), ("VerifyingObserverName", "D"),
    ("ImageComments", "X"), ("PatientComments", "X"), ("RequestAttributesSequence", "X"),
    ("OriginalAttributesSequence", "X"), ("IconImageSequence", "X"),
    ("EncapsulatedDocument", "D"), ("ClinicalTrialSubjectID", "D"), ("IrradiationEventUID", "U"),
    ("TimezoneOffsetFromUTC", "X"), ("InstanceCreationDate", "X/D"), ("DeviceUID", "U"),
])  # fmt: skip
def test_the_table_has_the_row_of_the_standard(keyword: str, code: str) -> None:
    assert [one for one, words in PROFILE.items() if keyword in words.split()] == [code]


def test_the_table_has_each_attribute_once() -> None:
    keywords = [keyword for words in PROFILE.values() for keyword in words.split()]
    assert len(keywords) == len(set(keywords)) == 617
    assert {*DEVICE.split(), *INSTITUTION.split(), *PATIENT.split()} <= set(keywords)


def _temporal(vrs: set[str]) -> list[str]:
    about_patient = {"PatientBirthDate", "PatientBirthTime", "GPSDateStamp", "GPSTimeStamp"}
    return [k for _, k in KEYWORDS if dictionary_VR(Tag(k)) in vrs and k not in about_patient]


@pytest.mark.parametrize(("option", "keywords", "code"), [
    (Retain.DEVICE, DEVICE.split(), "113109"),
    (Retain.INSTITUTION, INSTITUTION.split(), "113112"),
    (Retain.PATIENT, PATIENT.split(), "113108"),
    (Retain.DATES, _temporal(TEMPORAL), "113106"),
    (Retain.SHIFTED_DATES, _temporal({"TM"}), "113107"),
    (Retain.UIDS, ["StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"], "113110"),
])  # fmt: skip
def test_an_option_keeps_what_is_its_own_and_says_so(
    option: Retain, keywords: list[str], code: str
) -> None:
    before, after = _before_and_after(option)
    skipped = {k for k in keywords if dictionary_VR(Tag(k)) == "SQ"}
    assert [k for k in keywords if k not in skipped and before[k].value != after[k].value] == []
    assert all(after[k].value for k in skipped)
    codes = [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
    assert codes == ["113100", code]
    assert "PatientBirthDate" in after
    assert not after.PatientBirthDate


def test_what_was_done_is_said() -> None:
    _, after = _before_and_after()
    assert after.PatientIdentityRemoved == "YES"
    assert after.DeidentificationMethod == "Basic Application Confidentiality Profile"
    assert after.LongitudinalTemporalInformationModified == "REMOVED"
    (code,) = after.DeidentificationMethodCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")
    assert str(after.PatientName).startswith("ANON^")
    assert after.file_meta.MediaStorageSOPInstanceUID == Pseudonyms(SECRET).uid("1.2.3")


def test_shifted_dates_keep_their_distance() -> None:
    made = ct("1.1", "1.1.2", "1.2.3", StudyDate="20240131", SeriesDate="20240201")
    made.AcquisitionDateTime = "20240131120000.5+0100"
    found = read(deidentified(stuffed.encoded(made, EXPLICIT), EXPLICIT, Retain.SHIFTED_DATES))
    days = [dcm_date(one) for one in (found.StudyDate, found.SeriesDate)]
    assert days[1] - days[0] == 1
    assert str(found.StudyDate) < "20240131"
    assert found.AcquisitionDateTime == f"{found.StudyDate}120000.5+0100"


def dcm_date(text: str) -> int:
    return datetime.strptime(str(text), "%Y%m%d").toordinal()


@pytest.mark.parametrize("value", ["2024", "Jane Doe", "20241301", "20240131-20240201"])
def test_a_date_that_is_none_is_not_shifted_but_replaced(value: str) -> None:
    data = stuffed.encoded(ct("1.1", "1.1.2", "1.2.3", StudyDate=value), EXPLICIT)
    for option in (Retain.SHIFTED_DATES, Retain.DATES):
        assert value != "Jane Doe" or value.encode() not in deidentified(data, EXPLICIT, option)
    assert read(deidentified(data, EXPLICIT, Retain.SHIFTED_DATES)).StudyDate == "19000101"


def _document() -> Dataset:
    """A key object selection of two images, with words about the patient."""
    made = ct("1.1", "1.1.9", "1.2.9", SOPClassUID=KO, Modality="KO")
    series, study = Dataset(), Dataset()
    series.SeriesInstanceUID = "1.1.2"
    study.StudyInstanceUID = "1.1"
    made.ContentSequence, series.ReferencedSOPSequence = Sequence(), Sequence()
    for uid in ("1.2.3", "1.2.4"):
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, uid
        content = Dataset()
        content.RelationshipType, content.ValueType = "CONTAINS", "IMAGE"
        content.ReferencedSOPSequence = Sequence([reference])
        made.ContentSequence.append(content)
        series.ReferencedSOPSequence.append(reference)
    text, concept, answer = Dataset(), Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "113012", "DCM"
    concept.CodeMeaning = "Key Object Description"
    answer.CodeValue, answer.CodingSchemeDesignator = "QZ-CODE", "99HOSPITAL"
    answer.CodeMeaning = "QZ of Jane Doe"
    text.ValueType, text.TextValue = "TEXT", "QZ for Jane"
    text.ConceptNameCodeSequence = Sequence([concept])
    text.ConceptCodeSequence = Sequence([answer])
    named = Dataset()
    named.ConceptNameCodeSequence = Sequence([answer])
    text.ContentSequence = Sequence([named])
    made.ContentSequence.append(text)
    study.ReferencedSeriesSequence = Sequence([series])
    made.CurrentRequestedProcedureEvidenceSequence = Sequence([study])
    return made


def test_references_between_instances_stay_intact() -> None:
    images = [
        read(deidentified(stuffed.encoded(ct("1.1", "1.1.2", uid), EXPLICIT), instance=uid))
        for uid in ("1.2.3", "1.2.4")
    ]
    data = stuffed.encoded(_document(), IMPLICIT)
    file = deidentified(data, IMPLICIT, sop_class=KO, instance="1.2.9")
    document = read(file)
    wanted = [one.SOPInstanceUID for one in images]
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == images[0].StudyInstanceUID == document.StudyInstanceUID
    assert series.SeriesInstanceUID == images[0].SeriesInstanceUID
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == wanted
    content = document.ContentSequence
    found = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in content[:2]]
    assert found == wanted
    assert content[2].TextValue == "REMOVED"
    assert content[2].ConceptNameCodeSequence[0].CodeMeaning == "Key Object Description"
    assert b"QZ" not in file
    assert series.ReferencedSOPSequence[0].ReferencedSOPClassUID == CT


def test_a_segmentation_refers_to_its_images_still() -> None:
    made, item, derived = ct("1.1", "1.1.5", "1.2.5"), Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.2.3"
    derived.SourceImageSequence = Sequence([item])
    frame = Dataset()
    frame.DerivationImageSequence = Sequence([derived])
    made.PerFrameFunctionalGroupsSequence = Sequence([frame])
    found = read(deidentified(stuffed.encoded(made, EXPLICIT), instance="1.2.5"))
    source = found.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    uid = source.SourceImageSequence[0].ReferencedSOPInstanceUID
    assert uid == Pseudonyms(SECRET).uid("1.2.3") != "1.2.3"


def test_the_same_secret_makes_the_same_and_another_one_does_not() -> None:
    data = stuffed.encoded(ct("1.1", "1.1.2", "1.2.3"), EXPLICIT)
    first, again = (deidentified(data) for _ in range(2))
    other = read(deidentified(data, secret=b"t" * 32))
    assert first == again
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SOPInstanceUID"):
        assert other[keyword].value != read(first)[keyword].value


def test_instances_without_a_patient_id_are_of_one_patient_by_study() -> None:
    found = [
        read(deidentified(stuffed.encoded(ct(study, "2", uid, PatientID=""), EXPLICIT)))
        for study, uid in (("1.1", "1"), ("1.1", "2"), ("1.2", "3"))
    ]
    assert found[0].PatientID == found[1].PatientID != found[2].PatientID


def test_burned_in_annotation_is_refused_unless_it_is_asked_for() -> None:
    made = ct("1.1", "1.1.2", "1.2.3", BurnedInAnnotation="YES")
    data = stuffed.encoded(made, EXPLICIT)
    with pytest.raises(DataSetError, match="burned in annotation"):
        deidentified(data)
    assert read(deidentified(data, burned_in=True)).BurnedInAnnotation == "YES"


@pytest.mark.parametrize("data", [b"\x08\0", b"\x08\0\x18\0UI\xff\xff1.2", b"not DICOM" * 9])
def test_what_is_no_data_set_is_not_given_away(data: bytes) -> None:
    with pytest.raises(DataSetError, match="cannot be de-identified"):
        deidentified(data)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_of_every_sample_the_pixels_stay_and_the_patient_goes(sample: Sample) -> None:
    refused = pytest.raises(DataSetError, match="cannot be de-identified")
    with refused if sample.path.stem in DAMAGED else nullcontext():
        file = deidentified(
            sample.data_set, sample.transfer_syntax_uid, sop_class=sample.sop_class_uid,
            instance=sample.sop_instance_uid, burned_in=True,
        )  # fmt: skip
    if sample.path.stem in DAMAGED:
        return
    before, after = sample.dataset, read(file)
    if "PixelData" in before and after.PixelData != before.PixelData:
        assert pixels_of(file) == pixels_of(sample.path.read_bytes())
    whole = stuffed.inflated(file)
    for keyword in ("PatientID", "PatientName", "AccessionNumber", "StudyInstanceUID"):
        value = str(before.get(keyword, "")).strip()
        # Shorter ones are found in pixels.
        assert len(value) < 7 or value.encode("latin-1", "replace") not in whole
    assert after.PatientIdentityRemoved == "YES"


def test_the_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    first = secret_of(FolderJournal(tmp_path, True))
    assert secret_of(FolderJournal(tmp_path, True)) == first
    path = tmp_path / "journal" / "deidentification.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    other = FolderJournal(tmp_path / "other", True)
    assert secret_of(other) != first
