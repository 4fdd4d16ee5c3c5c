"""The archive: a folder tree of DICOM files, and the index that answers for it.

The door: what the node needs comes from here.
"""

from storage.archive import Archive, OnConflict, QueryAnswer, Received, Stored, StoreOutcome
from storage.diagnostics import ArchiveError
from storage.dicom.values import Attribute, Level
from storage.files import IncomingDataSet
from storage.index import Location
from storage.maintenance.recovery import catch_up, is_settled, prepare, received, settle_index
from storage.query import Options, Query, Root
from storage.records import ArchiveReader, Record, open_archive

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
