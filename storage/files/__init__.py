"""The folder tree: files by UID, written durably, locked, with the rights that they need."""

from storage.files import rights
from storage.files.claims import is_free
from storage.files.digests import copy_of_rest, digest_of_file, digest_of_rest
from storage.files.durability import prune, sync_folder
from storage.files.file_locks import claim, held_for_too_long, lock, unlock
from storage.files.file_system import require_known
from storage.files.incoming import IncomingDataSet
from storage.files.instance_locks import LOCK_SECONDS
from storage.files.rights import (
    Unusable,
    name_of,
    of_tree,
    refusal,
    unusable,
    why_not,
    why_not_made,
    words_of,
)
from storage.files.superseded_bounds import Bounds, SupersededLimiter
from storage.files.tree import Tree

__all__ = [
    "LOCK_SECONDS",
    "Bounds",
    "IncomingDataSet",
    "SupersededLimiter",
    "Tree",
    "Unusable",
    "claim",
    "copy_of_rest",
    "digest_of_file",
    "digest_of_rest",
    "held_for_too_long",
    "is_free",
    "lock",
    "name_of",
    "of_tree",
    "prune",
    "refusal",
    "require_known",
    "rights",
    "sync_folder",
    "unlock",
    "unusable",
    "why_not",
    "why_not_made",
    "words_of",
]
