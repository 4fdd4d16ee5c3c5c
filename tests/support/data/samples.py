"""Data sets: pydicom's samples, and small ones made up."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from storage.diagnostics.errors import DataSetError
from storage.dicom import part10
from support.names import CT, TEST_FILES

# ---- data sets


@dataclass(frozen=True)
class Sample:
    """A data set that ships inside pydicom, as bytes; the UIDs are the file meta's."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes

    @property
    def name(self) -> str:
        """The path inside pydicom's folder; of a copy of one its name."""
        is_original = self.path.is_relative_to(TEST_FILES)
        return self.path.relative_to(TEST_FILES).as_posix() if is_original else self.path.name

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, decoded."""
        return dcmread(self.path, force=True)

    @cached_property
    def uids(self) -> tuple[str, str, str]:
        """The Study, Series and SOP Instance UID of the data set; empty where there is none."""
        keywords = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
        read = dcmread(self.path, force=True, specific_tags=list(keywords))
        study, series, instance = (str(read.get(keyword, "")) for keyword in keywords)
        return study, series, instance


def samples() -> Iterator[Sample]:
    """Every file of pydicom's with a Part 10 header that names an instance."""
    yield from _samples()


@cache
def _samples() -> list[Sample]:
    """All of them, read once: many tables of tests are made of them."""
    paths = sorted(p for p in TEST_FILES.rglob("*") if p.is_file())
    return list(filter(None, map(sample_at, paths)))


def sample_at(path: Path) -> Sample | None:
    """The file at a path; None where it has no Part 10 header that names an instance."""
    with path.open("rb") as file:
        try:
            meta = part10.read(file)
        except DataSetError:
            return None
        data = file.read()
    if not meta.sop_class_uid or not meta.sop_instance_uid:
        return None
    return Sample(path, meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, data)


def data_set_bytes(path: Path) -> bytes:
    """What lies behind the Part 10 header of a file."""
    with path.open("rb") as file:
        part10.read(file)
        return file.read()


def encoded(data_set: Dataset, implicit: bool = False) -> bytes:
    """A data set in Explicit or Implicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def ct(study: str, series: str, instance: str, **values: Any) -> Dataset:
    """A small CT instance; `values` by keyword, None leaves the attribute out."""
    held: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": instance,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "StudyDate": "20240131",
        "Modality": "CT",
        "InstanceNumber": "1",
        "Rows": 4,
        "Columns": 4,
        "PixelData": bytes(16),
        **values,
    }
    data_set = Dataset()
    for keyword, value in held.items():
        if value is not None:
            setattr(data_set, keyword, value)
    data_set["PixelData"].VR = "OW"
    return data_set
