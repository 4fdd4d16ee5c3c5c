"""Compaction: closed segments of the journal written anew, without what nothing needs any more."""

from storage.maintenance.compaction.compacting import (
    Compaction,
    CompactionProgress,
    compact,
    is_worth_a_look,
)

__all__ = [
    "Compaction",
    "CompactionProgress",
    "compact",
    "is_worth_a_look",
]
