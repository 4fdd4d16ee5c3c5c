"""Changes that people or rules ask for: corrections, deletion, retention."""

from storage.maintenance.changes import correction, deletion, retention
from storage.maintenance.changes.correctable import UncorrectableError, checked
from storage.maintenance.changes.correction import catch_up_corrections, swapping
from storage.maintenance.changes.kept_files import KeptFiles
from storage.maintenance.changes.retention import Plan, Rules
from storage.maintenance.changes.selections import (
    AnyUid,
    Everything,
    Matching,
    Named,
    Selection,
    all_held,
    at_level,
    in_words,
    selected,
)

__all__ = [
    "AnyUid",
    "Everything",
    "KeptFiles",
    "Matching",
    "Named",
    "Plan",
    "Rules",
    "Selection",
    "UncorrectableError",
    "all_held",
    "at_level",
    "catch_up_corrections",
    "checked",
    "correction",
    "deletion",
    "in_words",
    "retention",
    "selected",
    "swapping",
]
