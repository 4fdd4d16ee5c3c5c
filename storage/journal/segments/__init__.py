"""The files of the journal: segments that are written, closed and found again."""

from storage.journal.segments import names, rewriting
from storage.journal.segments.folder_journal import COMPACTED, FolderJournal
from storage.journal.segments.lines import line_of, milliseconds, now, record_of, time_told
from storage.journal.segments.notes import Notes
from storage.journal.segments.reader import Line, Segments, inode
from storage.journal.segments.rewriting import Replacement, copy_range, unchanged

__all__ = [
    "COMPACTED",
    "FolderJournal",
    "Line",
    "Notes",
    "Replacement",
    "Segments",
    "copy_range",
    "inode",
    "line_of",
    "milliseconds",
    "names",
    "now",
    "record_of",
    "rewriting",
    "time_told",
    "unchanged",
]
