"""The write-ahead log: small new instances, durable in one write before tree, journal and row."""

from storage.log.company import Company
from storage.log.entries import Entry, LoggedEntry
from storage.log.left import LeftSegment, has_left, left_segments
from storage.log.log import WriteAheadLog

__all__ = [
    "Company",
    "Entry",
    "LeftSegment",
    "LoggedEntry",
    "WriteAheadLog",
    "has_left",
    "left_segments",
]
