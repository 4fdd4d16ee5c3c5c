"""Bytes of DICOM and what they say (PS3.5, PS3.10): files, headers of instances."""

from storage.dicom import foreign_files, instance_header, part10
from storage.dicom.instance_header import Header, header
from storage.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, FileMeta

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "FileMeta",
    "Header",
    "foreign_files",
    "header",
    "instance_header",
    "part10",
]
