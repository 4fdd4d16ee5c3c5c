"""Changes that people or rules ask for: corrections, deletion, retention."""

from storage.maintenance.changes import correction, deletion, retention
from storage.maintenance.changes.correctable import UncorrectableError, checked
from storage.maintenance.changes.correction import catch_up_corrections, swapping
from storage.maintenance.changes.deletion import Selection
from storage.maintenance.changes.retention import Plan, Rules

__all__ = [
    "Plan",
    "Rules",
    "Selection",
    "UncorrectableError",
    "catch_up_corrections",
    "checked",
    "correction",
    "deletion",
    "retention",
    "swapping",
]
