"""Folders, archives and media (PS3.10, PS3.12) that instances are exported to."""

from scp.copies.export.dicomdir import Directory, RecordError
from scp.copies.export.names import ForMedia, Names, Readable
from scp.copies.export.targets import Target, archive, folder

__all__ = [
    "Directory",
    "ForMedia",
    "Names",
    "Readable",
    "RecordError",
    "Target",
    "archive",
    "folder",
]
