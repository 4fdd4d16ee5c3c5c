"""The archive: a folder tree of DICOM files, and the index that answers for it.

The door: what the node needs comes from here.
"""

from storage.archive import Archive, OnConflict, Outcome, Received, Stored
from storage.attributes import Attribute, Level
from storage.finding import Location
from storage.found import Answer
from storage.intake import Intake
from storage.query import Options, Query, Root
from storage.replay import catch_up, is_settled, received, settle
from storage.upkeep import prepare

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
