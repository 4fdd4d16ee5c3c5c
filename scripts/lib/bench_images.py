"""The instances that are sent: made once, as files, the same for every server."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, XRayAngiographicImageStorage

_VERSION = 1  # of what is made here: kept files of another one are made anew
_ROOT = "1.2.826.0.1.3680043.8.498"
_PARTS = 4  # studies that four clients send; what is scaled stays divisible by it
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Recipe:
    """Instances to be made: studies of so many each, and the bytes of pixels in one."""

    kind: str
    studies: int
    images: int
    columns: int  # of as many rows, two bytes a pixel
    frames: int = 1
    is_body: bool = False  # what a CT shows, to be looked at, in place of random bytes

    @property
    def count(self) -> int:
        """All instances."""
        return self.studies * self.images

    def scaled(self, scale: float) -> "Recipe":
        """So many times the instances, or the frames where there is one instance."""
        if self.count == 1:
            return replace(self, frames=max(round(self.frames * scale), 1))
        if self.images == 1:
            return replace(self, studies=max(round(self.studies * scale), _PARTS))
        return replace(self, images=max(round(self.images * scale), _PARTS))

    def split(self, parts: int = _PARTS) -> "Recipe":
        """About as many instances, in so many studies."""
        return replace(self, studies=parts, images=max(self.count // parts, 1))

    def study_uid(self, number: int = 0) -> str:
        """The Study Instance UID of one of the studies."""
        return f"{_ROOT}.{crc32(self._name.encode())}.{number + 1}"

    @property
    def _name(self) -> str:
        parts = (self.kind, self.studies, self.images, self.columns, self.frames)
        parts += ("body",) * self.is_body
        return "-".join(map(str, (*parts, f"v{_VERSION}")))

    def made(self, folder: Path) -> list[tuple[Path, int]]:
        """The folder of each study in `folder`, and its instances; made, if they are not there."""
        whole, fresh = folder / self._name, folder / f"{self._name}.new"
        if not whole.exists():
            shutil.rmtree(fresh, ignore_errors=True)
            for study in range(self.studies):
                (fresh / f"{study:04}").mkdir(parents=True)
                for image in range(self.images):
                    self._write(fresh / f"{study:04}" / f"{image:05}.dcm", study, image)
            fresh.rename(whole)
        return [(whole / f"{study:04}", self.images) for study in range(self.studies)]

    def _write(self, path: Path, study: int, image: int) -> None:
        """Header by pydicom, pixels behind it; of several frames only zeros, as a sparse file."""
        data_set = _header(self, study, image)
        frame = self.columns * self.columns * 2
        with path.open("wb") as file:
            data_set.save_as(file, enforce_file_format=True)
            file.seek(0, 2)
            length = (frame * self.frames).to_bytes(4, "little")
            file.write(b"\xe0\x7f\x10\x00OW\x00\x00" + length)
            if self.frames == 1:
                random = Random(f"{study}.{image}")
                file.write(_body(self.columns, random) if self.is_body else random.randbytes(frame))
            else:
                file.truncate(file.tell() + frame * self.frames)


SMALL = Recipe("small", studies=1, images=2000, columns=16)
FEW_SMALL = replace(SMALL, images=200)
CT = Recipe("ct", studies=1, images=500, columns=512)
STUDIES = Recipe("study", studies=300, images=1, columns=16)
# Header and pixels together stay under 1 GiB, the most that dcmqrscp takes in a study.
LARGE = Recipe("multi-frame", studies=1, images=1, columns=1024, frames=511)


def _body(columns: int, random: Random) -> bytes:
    """The pixels of a body in air, with lungs, a spine and the noise of a CT."""
    y, x = np.mgrid[-1 : 1 : columns * 1j, -1 : 1 : columns * 1j]
    shift = random.uniform(-0.05, 0.05)
    values = np.full((columns, columns), 24.0)  # air, by the intercept and slope below
    for across, down, width, height, value in (
        (0, 0, 0.85, 0.65, 1050), (-0.4, -0.1, 0.28, 0.4, 200), (0.4, -0.1, 0.28, 0.4, 220),
        (0, 0.42, 0.12, 0.12, 1700), (shift, 0.05, 0.14, 0.14, 1090),
    ):  # fmt: skip
        inside = ((x - across) / width) ** 2 + ((y - down) / height) ** 2 < 1
        values[inside] = value + 40 * y[inside]
    noise = np.random.default_rng(random.randrange(1 << 32)).normal(0, 12, values.shape)
    return (values + noise).clip(0, 4095).astype("<u2").tobytes()


def _header(recipe: Recipe, study: int, image: int) -> Dataset:
    data_set = Dataset()
    for keyword, value in (_OF_ALL | _own(recipe, study, image)).items():
        setattr(data_set, keyword, value)
    data_set.Rows = data_set.Columns = recipe.columns
    if recipe.frames > 1:
        data_set.SOPClassUID, data_set.Modality = XRayAngiographicImageStorage, "XA"
        data_set.NumberOfFrames = recipe.frames
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data_set


def _own(recipe: Recipe, study: int, image: int) -> dict[str, str]:
    uid = recipe.study_uid(study)
    return {
        "StudyInstanceUID": uid,
        "SeriesInstanceUID": f"{uid}.1",
        "FrameOfReferenceUID": f"{uid}.2",
        "SOPInstanceUID": f"{uid}.1.{image + 1}",
        "InstanceNumber": str(image + 1),
        "PatientID": f"{recipe.kind}{study:05}",
        "PatientName": f"Tester{study:05}^{recipe.kind}",
        "AccessionNumber": f"A{study:07}",
        "StudyID": str(study + 1),
        "SliceLocation": f"{image * 1.25:.2f}",
        "ImagePositionPatient": f"-250\\-250\\{image * 1.25:.2f}",
    }


# What a CT says of itself, beside that.
_OF_ALL: dict[str, object] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SOPClassUID": CTImageStorage,
    "StudyDate": "20261123",
    "SeriesDate": "20261123",
    "AcquisitionDate": "20261123",
    "ContentDate": "20261123",
    "StudyTime": "101500",
    "SeriesTime": "101640",
    "AcquisitionTime": "101702.25",
    "ContentTime": "101702.5",
    "Modality": "CT",
    "Manufacturer": "ACME Medical",
    "InstitutionName": "General Hospital",
    "ReferringPhysicianName": "Referrer^Rita",
    "StationName": "CT1",
    "StudyDescription": "Thorax with contrast",
    "SeriesDescription": "Thorax 1.25 B31f",
    "ManufacturerModelName": "CT 3000",
    "PatientBirthDate": "19600215",
    "PatientSex": "O",
    "PatientAge": "066Y",
    "BodyPartExamined": "CHEST",
    "SliceThickness": "1.25",
    "KVP": "120",
    "ProtocolName": "Thorax",
    "ConvolutionKernel": "B31f",
    "PatientPosition": "HFS",
    "SeriesNumber": "2",
    "AcquisitionNumber": "1",
    "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": "0.9765\\0.9765",
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "WindowCenter": "40",
    "WindowWidth": "400",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
}
