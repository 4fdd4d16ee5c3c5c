"""The write-ahead log: small new instances, durable in one write before tree, journal and row."""

from storage.archive.receiving.log.company import Company
from storage.archive.receiving.log.entries import Entry, LoggedEntry
from storage.archive.receiving.log.left import LeftSegment, has_left, left_segments
from storage.archive.receiving.log.log import WriteAheadLog

__all__ = [
    "Company",
    "Entry",
    "LeftSegment",
    "LoggedEntry",
    "WriteAheadLog",
    "has_left",
    "left_segments",
]
