"""What a data folder lies on: syncs, kinds of file systems, and whose files they are."""

from storage.files.disk import rights
from storage.files.disk.durability import begin_writing, prune, sync_folder
from storage.files.disk.file_system import require_known
from storage.files.disk.rights import (
    MissingRight,
    name_of,
    of_tree,
    refusal,
    unusable,
    why_not,
    why_not_made,
    words_of,
)

__all__ = [
    "MissingRight",
    "begin_writing",
    "name_of",
    "of_tree",
    "prune",
    "refusal",
    "require_known",
    "rights",
    "sync_folder",
    "unusable",
    "why_not",
    "why_not_made",
    "words_of",
]
