"""Compaction: closed segments of the journal written anew, without what nothing needs any more."""

from storage.maintenance.compaction.compacting import Compaction, compact, is_worth_a_look

__all__ = [
    "Compaction",
    "compact",
    "is_worth_a_look",
]
