"""The archive: a folder tree of DICOM files, and the index that answers for it.

The door: what the node needs comes from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.archive import Archive, OnConflict, QueryAnswer, Received, Stored, StoreOutcome
    from storage.diagnostics import ArchiveError
    from storage.dicom.values import Attribute, Level
    from storage.files import IncomingDataSet
    from storage.index import Location
    from storage.maintenance.records import ArchiveReader, Record, open_archive
    from storage.maintenance.recovery import catch_up, is_settled, prepare, received, settle_index
    from storage.query import Options, Query, Root
else:
    # A room is loaded when it is asked for: who needs an error's name or to escape a text comes
    # through here too, and all together take 0.5 s, pydicom and numpy for the most part.
    _ROOMS = {
        "Archive": "archive", "OnConflict": "archive", "QueryAnswer": "archive",
        "Received": "archive", "Stored": "archive", "StoreOutcome": "archive",
        "ArchiveError": "diagnostics", "Attribute": "dicom.values", "Level": "dicom.values",
        "IncomingDataSet": "files", "Location": "index",
        "catch_up": "maintenance.recovery", "is_settled": "maintenance.recovery",
        "prepare": "maintenance.recovery", "received": "maintenance.recovery",
        "settle_index": "maintenance.recovery",
        "Options": "query", "Query": "query", "Root": "query",
        "ArchiveReader": "maintenance.records", "Record": "maintenance.records",
        "open_archive": "maintenance.records",
    }  # fmt: skip

    def __getattr__(name):
        """What the door gives, or AttributeError."""
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)

    def __dir__():
        """What it gives, for who looks at it at a prompt."""
        return sorted({*globals(), *_ROOMS})


__all__ = [
    "Archive",
    "ArchiveError",
    "ArchiveReader",
    "Attribute",
    "IncomingDataSet",
    "Level",
    "Location",
    "OnConflict",
    "Options",
    "Query",
    "QueryAnswer",
    "Received",
    "Record",
    "Root",
    "StoreOutcome",
    "Stored",
    "catch_up",
    "is_settled",
    "open_archive",
    "prepare",
    "received",
    "settle_index",
]
