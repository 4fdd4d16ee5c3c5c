"""What a data folder lies on: syncs, kinds of file systems, whose files they are, what fails."""

from storage.files.disk import rights
from storage.files.disk.database_file import (
    another_descriptor,
    damage_found,
    require_sound,
    sqlite_words,
)
from storage.files.disk.digest_behind import DigestBehind
from storage.files.disk.durability import (
    begin_writing,
    prune,
    sync_file,
    sync_folder,
)
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
from storage.files.disk.tree_walk import Stray, entries, instances, named_by, relative_path
from storage.files.disk.unsynced import UnsyncedFiles

__all__ = [
    "DigestBehind",
    "MissingRight",
    "Stray",
    "UnsyncedFiles",
    "another_descriptor",
    "begin_writing",
    "damage_found",
    "entries",
    "instances",
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
    "sync_file",
    "sync_folder",
    "unusable",
    "why_not",
    "why_not_made",
    "words_of",
]
