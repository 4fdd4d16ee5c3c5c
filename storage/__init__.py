"""The archive: a folder tree of DICOM files, and the index that answers for it.

The door: what the node needs comes from here.
"""

from storage.archive import Archive, OnConflict, Outcome, Received, Stored
from storage.attributes import Attribute, Level
from storage.query import Location, Query, Root
from storage.upkeep import prepare

__all__ = [
    "Archive",
    "Attribute",
    "Level",
    "Location",
    "OnConflict",
    "Outcome",
    "Query",
    "Received",
    "Root",
    "Stored",
    "prepare",
]
