"""From one transfer syntax to another that a destination takes."""

from pathlib import Path

from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

_LITTLE_ENDIAN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


class TranscodeError(Exception):
    """The instance cannot be converted; says why."""


def reachable(transfer_syntax_uid: str) -> tuple[str, ...]:
    """The transfer syntaxes that an instance stored in this one can be converted to."""
    if transfer_syntax_uid not in _LITTLE_ENDIAN:
        return ()
    return tuple(syntax for syntax in _LITTLE_ENDIAN if syntax != transfer_syntax_uid)


def transcode(path: Path, target: str) -> bytes:
    """The data set of a Part 10 file in another transfer syntax. Raises TranscodeError."""
    try:
        buffer = DicomBytesIO()
        buffer.is_little_endian = True
        buffer.is_implicit_VR = target == ImplicitVRLittleEndian
        write_dataset(buffer, dcmread(path))
    except Exception as error:
        raise TranscodeError(f"cannot be converted: {error}") from error
    return buffer.getvalue()
