"""The archive: a folder tree of DICOM files, and the index that answers for it.

The door: what the node needs comes from here.
"""

from storage.archive import Answer, Archive, OnConflict, Outcome, Received, Stored
from storage.dicom.values import Attribute, Level
from storage.files import Intake
from storage.index import Location
from storage.maintenance.recovery import catch_up, is_settled, prepare, received, settle
from storage.query import Options, Query, Root

__all__ = [
    "Answer",
    "Archive",
    "Attribute",
    "Intake",
    "Level",
    "Location",
    "OnConflict",
    "Options",
    "Outcome",
    "Query",
    "Received",
    "Root",
    "Stored",
    "catch_up",
    "is_settled",
    "prepare",
    "received",
    "settle",
]
