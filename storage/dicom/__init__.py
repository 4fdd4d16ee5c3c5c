"""Bytes of DICOM and what they say (PS3.5, PS3.10): files, headers of instances."""

from storage.dicom import foreign_files, instance_header, part10
from storage.dicom.added_values import (
    HEADER_BYTES,
    LAST_HEADER_TAG,
    LONG_HEADER_BYTES,
    HeaderValue,
    header_values,
)
from storage.dicom.instance_header import Header, header
from storage.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, FileMeta

__all__ = [
    "HEADER_BYTES",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "LAST_HEADER_TAG",
    "LONG_HEADER_BYTES",
    "FileMeta",
    "Header",
    "HeaderValue",
    "foreign_files",
    "header",
    "header_values",
    "instance_header",
    "part10",
]
