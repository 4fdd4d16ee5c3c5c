"""The forwarding queue: what waits to be sent on, what destinations took and committed to."""

from storage.outbox import commitment_requests, database, overview
from storage.outbox.arrivals import arrived, end_of_lines, is_held, receipts
from storage.outbox.commitment_requests import MOST, Asked, Report, note_report
from storage.outbox.overview import Failed, Standing, standings
from storage.outbox.queue import Item, Outbox, Wanted, opened

__all__ = [
    "MOST",
    "Asked",
    "Failed",
    "Item",
    "Outbox",
    "Report",
    "Standing",
    "Wanted",
    "arrived",
    "commitment_requests",
    "database",
    "end_of_lines",
    "is_held",
    "note_report",
    "opened",
    "overview",
    "receipts",
    "standings",
]
