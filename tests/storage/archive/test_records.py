"""The archive as a program reads it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from support import CT, EXPLICIT, TEST_FILES, ct, encoded

from storage import Archive, ArchiveError, ArchiveReader, Level, Received, open_archive, prepare
from storage.dicom import part10
from storage.maintenance.changes import correction

HELD = {
    ("1.1", "1.2", "1.3"): {"PatientID": "P1", "PatientName": "Müller^Jan", "Modality": "CT"},
    ("1.1", "1.4", "1.5"): {"PatientID": "P1", "PatientName": "Müller^Jan", "Modality": "SR"},
    ("2.1", "2.2", "2.3"): {"PatientID": "P2", "PatientName": "Doe^Jane", "Modality": "MR"},
}


def store(archive: Archive, made: Dataset, instance: str, sop_class: str = CT) -> None:
    archive.store(Received(sop_class, instance, EXPLICIT, encoded(made), "", "CT1"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    prepare(tmp_path, sync=False, charset="")
    archive = Archive(tmp_path, sync=False)
    for (study, series, instance), own in HELD.items():
        made = ct(study, series, instance, StudyDate="20240115", **own)
        made.SpecificCharacterSet = "ISO_IR 192"
        store(archive, made, instance)
    archive.close_thread()
    return tmp_path


@pytest.fixture
def reader(data: Path) -> Iterator[ArchiveReader]:
    with open_archive(data) as reader:
        yield reader


def test_records_have_names(reader: ArchiveReader) -> None:
    (found,) = reader.find("STUDY", PatientName="muller*", StudyDate="2024")
    assert (found.level, found["PatientName"], found["StudyDate"]) == (
        "STUDY", "Müller^Jan", "20240115",
    )  # fmt: skip
    assert found.uids == {"PatientID": "P1", "StudyInstanceUID": "1.1"}
    assert dict(found)["StudyInstanceUID"] == "1.1"
    assert "StationName" not in found


def test_any_of_several_values_will_do(reader: ArchiveReader) -> None:
    found = reader.find("series", Modality=["CT", "MR"])
    assert sorted(str(one["SeriesInstanceUID"]) for one in found) == ["1.2", "2.2"]


def test_a_record_is_a_data_set_too(reader: ArchiveReader) -> None:
    shown = ["NumberOfStudyRelatedInstances", "ModalitiesInStudy", "Sender"]
    (found,) = reader.find(show=shown, PatientID="P1")
    assert found["Sender"] == "CT1"
    made = found.dataset
    assert made.PatientName == "Müller^Jan"
    assert made.NumberOfStudyRelatedInstances == 2
    assert list(made.ModalitiesInStudy) == ["CT", "SR"]


def test_instances_are_opened_as_they_came(reader: ArchiveReader) -> None:
    (study,) = reader.find(PatientID="P1")
    instances = list(reader.instances(study))
    assert sorted(one.uids["SOPInstanceUID"] for one in instances) == ["1.3", "1.5"]
    (first,) = reader.find("INSTANCE", SOPInstanceUID="1.3")
    with reader.open(first) as file:
        assert part10.read(file).transfer_syntax_uid == EXPLICIT
    assert reader.dcmread(first).Modality == "CT"
    assert "PixelData" not in reader.dcmread(first, stop_before_pixels=True)


@pytest.mark.parametrize("name", ["Neu^Ünal", "New^Name"])
def test_what_was_corrected_is_read_corrected(data: Path, name: str) -> None:
    archive = Archive(data, sync=False)
    correction.correct(
        archive.tree, (Level.PATIENT, "P1"), {"PatientName": name}, user="me", before={},
        reason="", merge=False,
    )  # fmt: skip
    archive.close_thread()
    with open_archive(data) as reader:
        (found,) = reader.find("IMAGE", SOPInstanceUID="1.3")
        assert found["PatientName"] == name
        assert reader.dcmread(found).PatientName == name
        assert reader.dcmread(found, as_stored=True).PatientName == "Müller^Jan"


def test_frames_are_arrays(data: Path) -> None:
    import pydicom

    made = pydicom.dcmread(TEST_FILES / "CT_small.dcm")
    archive = Archive(data, sync=False)
    instance, expected = str(made.SOPInstanceUID), made.pixel_array
    store(archive, Dataset(made), instance, str(made.SOPClassUID))
    archive.close_thread()
    with open_archive(data) as reader:
        (found,) = reader.find("IMAGE", SOPInstanceUID=instance)
        (frame,) = reader.frames(found)
        assert np.array_equal(frame, expected)


def test_nothing_is_changed_by_reading(data: Path) -> None:
    def files() -> dict[str, bytes]:
        kept = (path for path in data.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in kept if "index" not in path.name}

    before = files()
    with open_archive(data) as reader:
        for found in reader.find("IMAGE"):
            reader.dcmread(found)
    assert files() == before


def test_what_cannot_be_asked_is_told(reader: ArchiveReader, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"PatintName is no attribute.*nearest is PatientName"):
        list(reader.find(PatintName="x"))
    with pytest.raises(ArchiveError, match=r'level: takes one of PATIENT, .*not "FOO"'):
        reader.find("FOO")
    (study,) = reader.find(PatientID="P2")
    with pytest.raises(ArchiveError, match="takes an instance, not a study"):
        reader.open(study)
    (gone,) = reader.find("IMAGE", PatientID="P2")
    next(tmp_path.rglob("2.3.dcm")).unlink()
    with pytest.raises(ArchiveError, match=r"2\.3\.dcm: No such file"):
        reader.open(gone)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", str(tmp_path)):
        with pytest.raises(ArchiveError, match="is no data folder of minipacs"):
            open_archive(path)
    (tmp_path / "tree").mkdir()
    with pytest.raises(ArchiveError, match="minipacs rebuild"):
        open_archive(tmp_path)
