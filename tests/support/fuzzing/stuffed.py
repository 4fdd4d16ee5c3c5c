"""An instance with something that identifies in every attribute of the confidentiality profile."""

import zlib
from datetime import date, timedelta
from io import BytesIO
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from scp.copies.deidentify.rules.table import PROFILE
from storage.dicom import part10
from support import CT

DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_SHORT = {"AE", "CS", "SH"}
# They lie behind the Pixel Data; those of groups 0000 and 0002 are in no data set.
_LEFT_OUT = {"DataSetTrailingPadding", "DigitalSignaturesSequence"}
KEYWORDS = [
    (code, keyword)
    for code, keywords in PROFILE.items()
    for keyword in keywords.split()
    if keyword not in _LEFT_OUT and Tag(keyword).group > 0x0002
]


class Secrets:
    """Values none of which may be found in what is given away."""

    def __init__(self, letter: str = "") -> None:
        self.found: list[bytes] = []
        self._letter = letter  # of a character set
        self._count = 1000

    def value(self, vr: str) -> Any:
        """One that was not used before."""
        self._count += 1
        if vr == "SQ":
            item = Dataset()
            item.PatientName, item.TextValue = self.value("PN"), self.value("UT")
            item.ReferencedSOPInstanceUID = self.value("UI")
            return Sequence([item])
        if vr in ("US", "FD", "FL", "UL", "DS", "IS"):
            return 3
        if vr in ("OB", "UN"):
            return self._noted(f"Qz{self._count}").encode()
        text = {
            "UI": f"1.9.8.7.{self._count}",
            "DA": (date(1931, 1, 1) + timedelta(self._count)).strftime("%Y%m%d"),
            "DT": f"19{self._count:04d}".ljust(14, "1")[:4]
            + f"0203{self._count % 24:02d}0000.{self._count}",
            "TM": f"{self._count % 24:02d}0102.{self._count}",
            "AS": f"{self._count % 900 + 100}W",
            "UR": f"http://qz{self._count}.example",
        }.get(vr)
        if text:
            return self._noted(text)
        return self._noted(f"QZ{self._count}") + ("" if vr in _SHORT else self._letter)

    def _noted(self, text: str) -> str:
        self.found.append(text.encode())
        return text


def filled(secrets: Secrets) -> Dataset:
    """All attributes of the profile, with values."""
    made = Dataset()
    for _, keyword in KEYWORDS:
        setattr(made, keyword, secrets.value(dictionary_VR(Tag(keyword))))
    return made


def stuffed(charset: str = "", letter: str = "") -> tuple[Dataset, Secrets]:
    """The instance, and what must not be found of it."""
    secrets = Secrets(letter)
    made = filled(secrets)
    if charset:
        made.SpecificCharacterSet = charset.split("\\")
    made.SOPClassUID = CT
    made.Rows = made.Columns = 10
    made.BitsAllocated, made.PixelRepresentation = 16, 0
    inner, deeper = filled(secrets), Dataset()
    deeper.SharedFunctionalGroupsSequence = Sequence([inner])
    made.PerFrameFunctionalGroupsSequence = Sequence([deeper])
    made["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    inner.is_undefined_length_sequence_item = True
    for holder in (made, deeper):
        holder.add_new(0x00290010, "LO", secrets.value("LO"))
        holder.add_new(0x00291001, "LT", secrets.value("LT"))
        holder.add_new(0x00291002, "SQ", secrets.value("SQ"))
    made.add_new(0x60003000, "OW", secrets.value("OB"))
    made.add_new(0x60021500, "LO", secrets.value("LO"))
    made.add_new(0x50003000, "OW", secrets.value("OB"))
    made.add_new(0x00080FF3, "LO", secrets.value("LO"))  # no attribute of the standard
    made.EvaluatorName = secrets.value("PN")  # beyond the table
    made.ProcedureCreationDate = secrets.value("DA")
    made.TargetFrameOfReferenceUID = secrets.value("UI")
    made.add_new(0x7FE00010, "OW", b"\1\2\3\4" * 50)
    made.add_new(0x7FE11001, "LO", secrets.value("LO"))
    made.add_new(0xFFFCFFFC, "OB", secrets.value("OB"))
    return made, secrets


def encoded(made: Dataset, syntax: str) -> bytes:
    """A data set in one of the native transfer syntaxes."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = syntax != BIG_ENDIAN, syntax == "1.2.840.10008.1.2"
    write_dataset(out, made)
    if syntax != DEFLATED:
        return out.getvalue()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(out.getvalue()) + deflater.flush()
    return data + b"\0" * (len(data) % 2)


def inflated(file: bytes) -> bytes:
    """A Part 10 file with its data set as it was before it was deflated."""
    source = BytesIO(file)
    if part10.read(source).transfer_syntax_uid != DEFLATED:
        return file
    at = source.tell()
    return file[:at] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(file[at:])
