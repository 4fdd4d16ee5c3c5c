"""Folders, archives and media (PS3.10, PS3.12) that instances are exported to."""

from scp.copies.export import exporting, streamed
from scp.copies.export.exporting import Exported
from scp.copies.export.targets import Target, archive, folder

__all__ = [
    "Exported",
    "Target",
    "archive",
    "exporting",
    "folder",
    "streamed",
]
