"""The archive: instances received, found, imported, committed to and counted."""

from storage.archive import commitments
from storage.archive.archive import Archive
from storage.archive.commitments import FailureReason
from storage.archive.finding import (
    Asked,
    HeaderLimits,
    LatestStudies,
    QueryAnswer,
    QueryAnswers,
    UnreadableError,
    asked,
    plain,
    turns,
)
from storage.archive.import_sources import (
    STANDARD_INPUT,
    ImportSource,
    Stream,
    UnusablePath,
    under,
)
from storage.archive.importer import NO_DICOM, Importer, Taken
from storage.archive.receiving.received import OnConflict, Received, Stored, StoreOutcome
from storage.archive.recorded_files import fault_of, read_file, record_file
from storage.archive.selected import PackedLocations, Selected
from storage.archive.tar_members import OnePass
from storage.archive.totals import HeldShare, Statistics, counts, held_bytes, statistics

__all__ = [
    "NO_DICOM",
    "STANDARD_INPUT",
    "Archive",
    "Asked",
    "FailureReason",
    "HeaderLimits",
    "HeldShare",
    "ImportSource",
    "Importer",
    "LatestStudies",
    "OnConflict",
    "OnePass",
    "PackedLocations",
    "QueryAnswer",
    "QueryAnswers",
    "Received",
    "Selected",
    "Statistics",
    "StoreOutcome",
    "Stored",
    "Stream",
    "Taken",
    "UnreadableError",
    "UnusablePath",
    "asked",
    "commitments",
    "counts",
    "fault_of",
    "held_bytes",
    "plain",
    "read_file",
    "record_file",
    "statistics",
    "turns",
    "under",
]
