"""What a receiver gets of a corrected instance: every sample of pydicom's, in its own encoding."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from support import CT, ct, encoded, samples

from scp.copies.corrected.corrected import AsCorrected
from scp.copies.corrected.transcode import transcode_file
from storage import Archive, Level, Location, Received, prepare
from storage.diagnostics.errors import DataSetError
from storage.dicom import part10
from storage.journal.corrections.in_effect import Correction
from storage.maintenance.changes import correction, deletion
from storage.maintenance.changes.selections import Selection, selected

CHARSET = "ISO_IR 100"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
ADDED = {0x04000561, 0x00100010, 0x00080005}
# Those that can be stored.
SAMPLES = {
    one.name: one for one in samples() if all(one.uids) and one.uids[2] == one.sop_instance_uid
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    data = tmp_path_factory.mktemp("shared") / "data"
    prepare(data, sync=False, charset=CHARSET)
    made = Archive(data, sync=False)
    yield made
    made.close_thread()
    made.journal.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    made = Archive(tmp_path / "data", sync=False)
    yield made
    made.close_thread()
    made.journal.close()


def held(archive: Archive, study: str) -> Location:
    (found,) = selected(archive, Selection(Level.STUDY, study))
    return found


def correct(archive: Archive, study: str, **values: str) -> Correction:
    entity = Level.STUDY, study
    return correction.correct(archive.tree, entity, values, user="me", before={}, reason="why")


def copy_of(archive: Archive, study: str) -> bytes:
    copy = AsCorrected(archive.tree, "NODE").open(held(archive, study))
    with copy.file:
        return copy.file.read()


def values(data_set: Dataset) -> dict[int, bytes]:
    """All that lies in it, as bytes; of sequences, their items."""
    found = {}
    for tag in data_set.keys():  # noqa: SIM118
        if tag.element == 0 or int(tag) in ADDED:
            continue
        raw = data_set.get_item(tag)
        found[int(tag)] = (
            raw.value or b"" if isinstance(raw, RawDataElement) else repr(raw).encode()
        )
    return found


def _rows() -> list[object]:
    """Each sample with one of the names; with the others in the long run."""
    new = ["Doe^Jané", "山田^太郎", ""]
    return [
        pytest.param(
            name,
            new[(number + turn) % len(new)],
            marks=[pytest.mark.long] if turn else [],
        )
        for turn in range(len(new))
        for number, name in enumerate(SAMPLES)
    ]


@pytest.mark.parametrize(("name", "new"), _rows())
def test_all_but_what_was_corrected_is_as_it_was_received(
    shared: Archive, name: str, new: str
) -> None:
    archive, sample = shared, SAMPLES[name]
    study = store(archive, sample.path)
    before = copy_of(archive, study)
    made = correct(archive, study, PatientName=new)
    after = copy_of(archive, study)
    original, corrected = dcmread(BytesIO(before)), dcmread(BytesIO(after))
    assert str(corrected.get("PatientName", "")) == new
    assert values(corrected).keys() == values(original).keys()
    if not new.startswith("山"):  # else all text is in UTF-8 now
        assert values(corrected) == values(original)
    for keyword in ("PixelData", "SOPInstanceUID", "StudyDescription", "PatientID"):
        assert corrected.get(keyword) == original.get(keyword)
    (told,) = corrected.OriginalAttributesSequence
    assert (told.ModifyingSystem, told.ReasonForTheAttributeModification) == ("NODE", "CORRECT")
    (was,) = told.ModifiedAttributesSequence
    assert str(was.PatientName or "") == str(original.get("PatientName") or "")
    correction.undo(archive.tree, made.number, "me")
    assert copy_of(archive, study) == before
    list(deletion.delete(archive, [held(archive, study)]))


def store(archive: Archive, path: Path) -> str:
    with path.open("rb") as file:
        meta = part10.read(file)
        data = file.read()
    said = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid
    return archive.store(Received(*said, data, CHARSET)).uids[0]


def made(**more: object) -> bytes:
    return encoded(ct("1.1", "1.2", "1.3", **more))


def keep(archive: Archive, data: bytes, syntax: str = EXPLICIT) -> str:
    return archive.store(Received(CT, "1.3", syntax, data, CHARSET)).uids[0]


def test_corrections_follow_each_other_and_what_others_have_told_before(archive: Archive) -> None:
    told = Dataset()
    told.ModifyingSystem = "ELSEWHERE"
    study = keep(archive, made(OriginalAttributesSequence=[told]))
    correct(archive, study, PatientName="B")
    correct(archive, study, PatientName="C", StudyDescription="Thorax")
    data_set = dcmread(BytesIO(copy_of(archive, study)))
    assert (data_set.PatientName, data_set.StudyDescription) == ("C", "Thorax")
    first, second, third = data_set.OriginalAttributesSequence
    assert first == told
    assert second.ModifiedAttributesSequence[0].PatientName == "Doe^Jane"
    assert third.ModifiedAttributesSequence[0].PatientName == "B"
    assert third.ModifiedAttributesSequence[0]["StudyDescription"].is_empty
    correction.undo(archive.tree, 1, "me")
    data_set = dcmread(BytesIO(copy_of(archive, study)))
    assert data_set.PatientName == "C"
    assert len(data_set.OriginalAttributesSequence) == 2


@pytest.mark.parametrize("named", ["ISO_IR 100", "", "ISO 2022 IR 6\\ISO 2022 IR 87"])
def test_all_text_is_in_utf_8_where_its_character_set_cannot_hold_the_new(
    archive: Archive, named: str
) -> None:
    texts = {"ISO_IR 100": "Größe", "": "Größe", "ISO 2022 IR 6\\ISO 2022 IR 87": "山田"}
    codecs = {"ISO_IR 100": "latin-1", "": "latin-1"}
    codec = codecs.get(named, "iso2022_jp")
    item, outer = Dataset(), ct("1.1", "1.2", "1.3", SpecificCharacterSet=None)
    for data_set in (item, outer):
        data_set.add_new(0x00081030, "LO", texts[named].encode(codec))
    outer.RequestAttributesSequence = [item]
    data = encoded(outer)
    if named:
        text = named.encode() + b" " * (len(named) % 2)
        at = b"\x08\x00\x05\x00CS" + len(text).to_bytes(2, "little") + text
        data = at + data
    study = keep(archive, data)
    correct(archive, study, PatientName="Παπαδόπουλος^Ωδή")
    data_set = dcmread(BytesIO(copy_of(archive, study)))
    assert data_set.SpecificCharacterSet == "ISO_IR 192"
    assert data_set.PatientName == "Παπαδόπουλος^Ωδή"
    assert data_set.StudyDescription == texts[named]
    assert data_set.RequestAttributesSequence[0].StudyDescription == texts[named]
    assert data_set.PixelData == bytes(16)


@pytest.mark.parametrize(("named", "text", "codec"), [
    ("ISO 2022 IR 100", "Größe", "latin-1"), ("ISO 2022 IR 87", "山田", "iso2022_jp"),
    ("ISO 2022 IR 149\\ISO 2022 IR 100", "김희중", "euc_kr"),
])  # fmt: skip
def test_a_character_set_that_may_not_stand_there_is_replaced_by_utf_8(
    archive: Archive, named: str, text: str, codec: str
) -> None:
    data = ct("1.1", "1.2", "1.3", SpecificCharacterSet=None)
    data.add_new(0x00081030, "LO", text.encode(codec))
    value = named.encode() + b" " * (len(named) % 2)
    head = b"\x08\x00\x05\x00CS" + len(value).to_bytes(2, "little") + value
    study = keep(archive, head + encoded(data))
    correct(archive, study, PatientName=text)
    data_set = dcmread(BytesIO(copy_of(archive, study)))
    assert data_set.SpecificCharacterSet == "ISO_IR 192"
    assert (data_set.PatientName, data_set.StudyDescription) == (text, text)


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "image_dfl.dcm"])
def test_a_corrected_copy_is_converted(archive: Archive, name: str) -> None:
    study = store(archive, SAMPLES[name].path)
    correct(archive, study, PatientName="Neu^Name")
    copy = AsCorrected(archive.tree, "NODE").open(held(archive, study))
    with copy.file, transcode_file(copy.file, IMPLICIT) as converted:
        data_set = dcmread(converted, force=True)
    assert data_set.PatientName == "Neu^Name"
    assert data_set.OriginalAttributesSequence[0].ModifyingSystem == "NODE"


def test_what_cannot_be_read_is_not_sent_with_the_old_name(archive: Archive) -> None:
    study = keep(archive, made())
    correct(archive, study, PatientName="New")
    path = archive.tree.path(held(archive, study).uids)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x20\x00\x13\x00IS\x02\x00", b"\x20\x00\x13\x00IS\xfe\xff"))
    with pytest.raises(DataSetError, match="cannot be corrected"):
        copy_of(archive, study)
