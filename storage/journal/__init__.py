"""The journal: receipts, corrections, pins and the like, as lines that are only ever added."""

from storage.journal import commitments, pins
from storage.journal.catalogue import Unavailable, faults_told, open_brought_up, path_of
from storage.journal.clock import Run, Times, time_of, times_line, times_told
from storage.journal.commitments import Commitment, Reference
from storage.journal.journal import (
    ACCEPTED,
    COMMITMENTS,
    CORRECTIONS,
    PINS,
    RECEIPTS,
    STEPS,
    Journal,
    Subject,
    journal_of,
    put_journal_elsewhere,
)
from storage.journal.pins import pinned
from storage.journal.receipt_catalogue import (
    arrivals,
    entered,
    forget_places,
    forget_studies,
    keep_near,
    receipts_by_digest,
    stretches,
)
from storage.journal.receipts import (
    Receipt,
    Receipts,
    add_receipts,
    in_journal,
    last_receipts,
    left_open,
    receipts_of,
    record_deletion,
    withdraw_all,
)
from storage.journal.segments import (
    COMPACTED,
    FolderJournal,
    line_of,
    milliseconds,
    now,
    record_of,
    time_told,
)
from storage.journal.unfinished import changes_cut_off, changes_under_way, in_progress
from storage.journal.withdrawals import Withdrawals

__all__ = [
    "ACCEPTED",
    "COMMITMENTS",
    "COMPACTED",
    "CORRECTIONS",
    "PINS",
    "RECEIPTS",
    "STEPS",
    "Commitment",
    "FolderJournal",
    "Journal",
    "Receipt",
    "Receipts",
    "Reference",
    "Run",
    "Subject",
    "Times",
    "Unavailable",
    "Withdrawals",
    "add_receipts",
    "arrivals",
    "changes_cut_off",
    "changes_under_way",
    "commitments",
    "entered",
    "faults_told",
    "forget_places",
    "forget_studies",
    "in_journal",
    "in_progress",
    "journal_of",
    "keep_near",
    "last_receipts",
    "left_open",
    "line_of",
    "milliseconds",
    "now",
    "open_brought_up",
    "path_of",
    "pinned",
    "pins",
    "put_journal_elsewhere",
    "receipts_by_digest",
    "receipts_of",
    "record_deletion",
    "record_of",
    "stretches",
    "time_of",
    "time_told",
    "times_line",
    "times_told",
    "withdraw_all",
]
