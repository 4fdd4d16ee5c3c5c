"""Instances of which everything is known, and who asks a node for them by DICOMweb."""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import requests
from pydicom import dcmread
from pydicom.dataset import Dataset

from storage.dicom import part10
from support.checks.dicomweb import Web
from support.data.samples import encoded
from support.names import EXPLICIT

CT, SC, MULTI = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4",
)  # fmt: skip
A, B, C, D = (f"1.2.826.0.1.3680043.9.7.{number}" for number in range(1, 5))
ROWS, COLUMNS, FRAMES = 24, 32, 4
STORED = {
    "rle": "MR_small_RLE.dcm", "j2k": "MR_small_jp2klossless.dcm",
    "jls": "MR_small_jpeg_ls_lossless.dcm", "jpeg": "SC_rgb_jpeg_dcmtk.dcm",
    "rle2": "SC_rgb_rle_2frame.dcm", "implicit": "MR_small_implicit.dcm",
    "big": "SC_rgb_small_odd_big_endian.dcm", "report": "reportsi.dcm",
    "palette": "examples_palette.dcm",
}  # fmt: skip


def image(series: str, number: int, **values: object) -> Dataset:
    """A CT of study A: 24 rows, 32 columns, of values from -1024 on."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ImageType = ["ORIGINAL", "PRIMARY", "", "AXIAL"]
    made.SOPClassUID, made.SOPInstanceUID = CT, f"{series}.{number}"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20240115", "101530.25", "ACC 1+2"
    made.Modality, made.Manufacturer = "CT", "ACME & <Sons>"
    made.ReferringPhysicianName = "REF^DOC"
    made.StudyDescription, made.SeriesDescription = "CHEST; 100% & more=less", "AXIAL, thin"
    made.PatientName, made.PatientID = "DOE^JOHN", "PAT-1"
    made.PatientBirthDate, made.PatientSex = "19600102", "M"
    made.OtherPatientIDsSequence = [Dataset(), Dataset()]
    made.OtherPatientIDsSequence[0].PatientID = "11235813"
    made.PatientComments = ""
    made.SliceThickness, made.KVP = "2.50", "1.2E+2"
    made.StudyInstanceUID, made.SeriesInstanceUID = A, series
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "S 1", 7, number
    made.ImagePositionPatient = ["-1.5", "0", "+00012.250"]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.FrameIncrementPointer = 0x00181063
    made.Rows, made.Columns, made.BitsAllocated, made.BitsStored = ROWS, COLUMNS, 16, 16
    made.HighBit, made.PixelRepresentation = 15, 1
    made.WindowCenter, made.WindowWidth = ["40", "300"], ["400", "1500"]
    made.RescaleIntercept, made.RescaleSlope = "-1024", "1"
    made.PerformedProcedureStepStartDate = "20240115"
    made.PerformedProcedureStepStartTime = "1010"
    made.RequestAttributesSequence = [Dataset()]
    made.RequestAttributesSequence[0].ScheduledProcedureStepID = "SPS1"
    made.RequestAttributesSequence[0].RequestedProcedureID = "RP1"
    made.add_new(0x00230010, "LO", "AcmeCompany")
    made.add_new(0x00231001, "LO", "001239")
    made.add_new(0x00231002, "FD", 0.1)
    made.add_new(0x00231003, "UN", b"\1\2\3\4")
    pixels = b"".join((n * 4 + number).to_bytes(2, "little") for n in range(ROWS * COLUMNS))
    made.add_new(0x7FE00010, "OW", pixels)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def colours(study: str, name: str, charset: str, **values: object) -> Dataset:
    """Four frames of RGB, each of one shade more."""
    made = image(f"{study}.1", 1)
    del made.RescaleIntercept, made.RescaleSlope, made.WindowCenter, made.WindowWidth
    del made[0x00230010], made[0x00231001], made[0x00231002], made[0x00231003]
    made.SpecificCharacterSet, made.PatientName = charset, name
    made.StudyInstanceUID, made.SOPClassUID, made.Modality = study, MULTI, "OT"
    made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"
    made.PlanarConfiguration, made.PixelRepresentation = 0, 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.NumberOfFrames, made.CineRate = 7, FRAMES, 10
    made.add_new(0x7FE00010, "OB", b"".join(
        bytes((40 * frame, 10, 200)) * (ROWS * COLUMNS) for frame in range(FRAMES)
    ))  # fmt: skip
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def file_of(made: Dataset) -> bytes:
    """A Part 10 file of a data set."""
    head = part10.header(str(made.SOPClassUID), str(made.SOPInstanceUID), EXPLICIT)
    return head + encoded(made)


def under_another_uid(file: bytes, number: int) -> bytes:
    """The same file of an instance whose UID is as long, and another."""
    uid = str(dcmread(BytesIO(file), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    return file.replace(
        uid.encode(), f"{uid[:-3].rstrip('.')}{number}".ljust(len(uid), "7").encode()
    )


@dataclass(repr=False)
class Kit:
    """The node, and where each of its instances lies, by a name of one word."""

    web: Web
    instances: dict[str, Dataset]

    def path(self, name: str) -> str:
        """The instance of that name, below the service."""
        held = self.instances[name]
        return (f"studies/{held.StudyInstanceUID}/series/{held.SeriesInstanceUID}"
                f"/instances/{held.SOPInstanceUID}")  # fmt: skip

    def ask(
        self, path: str, accept: str | None = "*/*", method: str = "GET", **headers: str
    ) -> requests.Response:
        """Ask for a path in which {ct} and the like stand for instances, {A} for studies."""
        names = {name: self.path(name) for name in self.instances}
        filled = path.format(**names, A=A, B=B, C=C, D=D)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.base + filled if filled.startswith("/") else f"{self.web.url}/{filled}"
        request = requests.Request(method, url, {"Accept": accept, **named})
        prepared = self.web.session.prepare_request(request)
        prepared.url = url  # as it is written here, and not as some library has it
        return self.web.session.send(prepared, timeout=60)

    @cached_property
    def base(self) -> str:
        """Where WADO-URI lies."""
        return self.web.origin

    def uri(self, name: str, more: str = "", accept: str | None = "*/*") -> requests.Response:
        """Ask for an instance by WADO-URI."""
        held = self.instances[name]
        return self.ask(
            f"/wado?requestType=WADO&studyUID={held.StudyInstanceUID}"
            f"&seriesUID={held.SeriesInstanceUID}&objectUID={held.SOPInstanceUID}{more}", accept
        )  # fmt: skip


def made_up() -> dict[str, Dataset]:
    """Three CT and an MR of one study, and studies whose patients have names of many letters."""
    found = {f"ct{n}": image(f"{A}.1", n) for n in (1, 2, 3)}
    found["ct"] = found["ct1"]
    found["mr"] = image(f"{A}.2", 1, Modality="MR", SeriesNumber=8, SeriesDescription="LOC",
                        PerformedProcedureStepStartDate="20240116")  # fmt: skip
    found["rgb"] = colours(
        B, "Müller^Jürgen", "ISO_IR 100", PatientID="PAT-2", StudyDate="20240116",
        StudyTime="235959", AccessionNumber="", StudyID="2", StudyDescription="Übersicht",
    )  # fmt: skip
    found["names"] = colours(
        C, "Yamada^Tarou=山田^太郎=やまだ^たろう", "ISO_IR 192", PatientID="PAT*3",
        StudyDate="20231231", StudyTime="080000", AccessionNumber="X1", PatientSex="O",
        ReferringPhysicianName="", TimezoneOffsetFromUTC="+0900",
    )  # fmt: skip
    found["empty"] = colours(
        D, "", "ISO_IR 192", PatientID="PAT-4", StudyDate="", StudyTime="", AccessionNumber="X2",
        PatientBirthDate="", PatientSex="",
    )  # fmt: skip
    return found
