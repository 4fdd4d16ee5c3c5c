"""The archive: instances received, found, imported, committed to and counted."""

from storage.archive import commitments
from storage.archive.answers import Answer, Found
from storage.archive.archive import Archive, OnConflict, Outcome, Received, Stored
from storage.archive.commitments import FailureReason
from storage.archive.import_sources import Source, Unusable, under
from storage.archive.importer import Importer, Taken
from storage.archive.recorded_files import record_file
from storage.archive.stored_file import fault_of
from storage.archive.totals import Share, Statistics, counts, held_bytes, statistics

__all__ = [
    "Answer",
    "Archive",
    "FailureReason",
    "Found",
    "Importer",
    "OnConflict",
    "Outcome",
    "Received",
    "Share",
    "Source",
    "Statistics",
    "Stored",
    "Taken",
    "Unusable",
    "commitments",
    "counts",
    "fault_of",
    "held_bytes",
    "record_file",
    "statistics",
    "under",
]
