"""The files of the journal: segments that are written, closed and found again."""

from storage.journal.segments import names, rewriting
from storage.journal.segments.notes import Notes
from storage.journal.segments.reader import Line, Segments, inode
from storage.journal.segments.rewriting import Replacement, copy_range, unchanged
from storage.journal.segments.writer import SegmentWriter

__all__ = [
    "Line",
    "Notes",
    "Replacement",
    "SegmentWriter",
    "Segments",
    "copy_range",
    "inode",
    "names",
    "rewriting",
    "unchanged",
]
