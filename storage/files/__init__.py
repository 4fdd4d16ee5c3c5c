"""The folder tree: files by UID, written durably, locked, with the rights that they need."""

from storage.files.digests import FileFacts, FileStatus, copy_of_rest, digest_of_rest, status_of
from storage.files.disk import (
    MissingRight,
    Stray,
    another_descriptor,
    begin_writing,
    damage_found,
    instances,
    name_of,
    named_by,
    of_tree,
    prune,
    refusal,
    relative_path,
    require_known,
    require_sound,
    rights,
    sqlite_words,
    sync_file,
    sync_folder,
    unusable,
    why_not,
    why_not_made,
    words_of,
)
from storage.files.files import Files, InstanceFiles
from storage.files.incoming import IncomingDataSet
from storage.files.locks import (
    LOCK_SECONDS,
    claim,
    held_for_too_long,
    is_free,
    lock,
    turn,
    unlock,
)
from storage.files.series_documents import SeriesDocuments
from storage.files.staging import write_all
from storage.files.superseded import Kept
from storage.files.superseded_bounds import Bounds, SupersededLimiter
from storage.files.tree import Tree

__all__ = [
    "LOCK_SECONDS",
    "Bounds",
    "FileFacts",
    "FileStatus",
    "Files",
    "IncomingDataSet",
    "InstanceFiles",
    "Kept",
    "MissingRight",
    "SeriesDocuments",
    "Stray",
    "SupersededLimiter",
    "Tree",
    "another_descriptor",
    "begin_writing",
    "claim",
    "copy_of_rest",
    "damage_found",
    "digest_of_rest",
    "held_for_too_long",
    "instances",
    "is_free",
    "lock",
    "name_of",
    "named_by",
    "of_tree",
    "prune",
    "refusal",
    "relative_path",
    "require_known",
    "require_sound",
    "rights",
    "sqlite_words",
    "status_of",
    "sync_file",
    "sync_folder",
    "turn",
    "unlock",
    "unusable",
    "why_not",
    "why_not_made",
    "words_of",
    "write_all",
]
