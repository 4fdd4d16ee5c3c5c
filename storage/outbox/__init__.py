"""The forwarding queue: what waits to be sent on, what destinations took and committed to."""

from storage.outbox import commitment_requests, copying, database, overview
from storage.outbox.arrivals import arrived, end_of_lines, is_held, receipts
from storage.outbox.commitment_requests import MOST, Asked, CommitmentReport, note_report
from storage.outbox.database import position_beside
from storage.outbox.overview import (
    Failed,
    Standing,
    failed_beside,
    of_study_beside,
    standings,
    standings_beside,
    studies_under_way,
)
from storage.outbox.queue import Outbox, QueuedInstance, Wanted, forget_done, notice, opened

__all__ = [
    "MOST",
    "Asked",
    "CommitmentReport",
    "Failed",
    "Outbox",
    "QueuedInstance",
    "Standing",
    "Wanted",
    "arrived",
    "commitment_requests",
    "copying",
    "database",
    "end_of_lines",
    "failed_beside",
    "forget_done",
    "is_held",
    "note_report",
    "notice",
    "of_study_beside",
    "opened",
    "overview",
    "position_beside",
    "receipts",
    "standings",
    "standings_beside",
    "studies_under_way",
]
