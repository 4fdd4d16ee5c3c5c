"""Locks: of a data folder, of the places of instances, and of the files that both are made of."""

from storage.files.locks.claims import claim_folder, claimed, is_free
from storage.files.locks.file_locks import claim, held_for_too_long, lock, turn, unlock
from storage.files.locks.instance_locks import LOCK_SECONDS, hold

__all__ = [
    "LOCK_SECONDS",
    "claim",
    "claim_folder",
    "claimed",
    "held_for_too_long",
    "hold",
    "is_free",
    "lock",
    "turn",
    "unlock",
]
