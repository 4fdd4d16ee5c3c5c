"""What makes an archive whole: at a start, after a kill, from the tree."""

from storage.maintenance.recovery import rebuilding, startup
from storage.maintenance.recovery.condition import index_bytes, why_not_usable
from storage.maintenance.recovery.logged import bring_in
from storage.maintenance.recovery.rebuilding import rebuild
from storage.maintenance.recovery.remedies import with_remedy
from storage.maintenance.recovery.replay import (
    catch_up,
    is_left_behind,
    is_settled,
    received,
    settle_index,
)
from storage.maintenance.recovery.startup import (
    UNFINISHED,
    fault_of_index,
    prepare,
)

__all__ = [
    "UNFINISHED",
    "bring_in",
    "catch_up",
    "fault_of_index",
    "index_bytes",
    "is_left_behind",
    "is_settled",
    "prepare",
    "rebuild",
    "rebuilding",
    "received",
    "settle_index",
    "startup",
    "why_not_usable",
    "with_remedy",
]
