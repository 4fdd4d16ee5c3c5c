"""The archive: instances received, found, imported, committed to and counted."""

from storage.archive import commitments
from storage.archive.answers import QueryAnswer, QueryAnswers
from storage.archive.archive import Archive, OnConflict, Received, Stored, StoreOutcome
from storage.archive.commitments import FailureReason
from storage.archive.import_sources import ImportSource, Unusable, under
from storage.archive.importer import Importer, Taken
from storage.archive.recorded_files import record_file
from storage.archive.stored_file import fault_of
from storage.archive.totals import Share, Statistics, counts, held_bytes, statistics

__all__ = [
    "Archive",
    "FailureReason",
    "ImportSource",
    "Importer",
    "OnConflict",
    "QueryAnswer",
    "QueryAnswers",
    "Received",
    "Share",
    "Statistics",
    "StoreOutcome",
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
