"""The files of the journal: segments that are written, closed and found again."""

from storage.journal.segments import names
from storage.journal.segments.reader import Line, Segments, inode
from storage.journal.segments.writer import SegmentWriter

__all__ = [
    "Line",
    "SegmentWriter",
    "Segments",
    "inode",
    "names",
]
