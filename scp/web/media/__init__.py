"""Media types of DICOMweb (PS3.18 8): which one is given, and bodies of several parts."""

from scp.web.media.accept import (
    Choice,
    NotAcceptableError,
    choose_bulk,
    choose_by_uri,
    choose_capabilities,
    choose_dicom,
    choose_metadata,
    choose_pixels,
    choose_rendered,
    choose_report,
)
from scp.web.media.errors import MultipartError
from scp.web.media.media_types import (
    COMPRESSED_TYPES,
    DICOM,
    EXPLICIT_VR_LITTLE_ENDIAN,
    JSON,
    OCTETS,
    SYNTAXES_OF,
    XML,
)
from scp.web.media.multipart import FileRange, Multipart, Part
from scp.web.media.parts import IncomingMultipart, IncomingPart, whole_of

__all__ = [
    "COMPRESSED_TYPES",
    "DICOM",
    "EXPLICIT_VR_LITTLE_ENDIAN",
    "JSON",
    "OCTETS",
    "SYNTAXES_OF",
    "XML",
    "Choice",
    "FileRange",
    "IncomingMultipart",
    "IncomingPart",
    "Multipart",
    "MultipartError",
    "NotAcceptableError",
    "Part",
    "choose_bulk",
    "choose_by_uri",
    "choose_capabilities",
    "choose_dicom",
    "choose_metadata",
    "choose_pixels",
    "choose_rendered",
    "choose_report",
    "whole_of",
]
