"""What is told of what goes wrong: errors, events for the log, and text made safe for both."""

from storage.diagnostics.errors import (
    ArchiveError,
    BudgetError,
    DataSetError,
    DuplicateError,
    FolderError,
    IdentifierError,
    InUseError,
    MismatchError,
    ResourceError,
    both_uids,
    unreadable,
)
from storage.diagnostics.escaping import error_comment, escaped, json_text
from storage.diagnostics.events import Event, Own, Sentence, value_of

__all__ = [
    "ArchiveError",
    "BudgetError",
    "DataSetError",
    "DuplicateError",
    "Event",
    "FolderError",
    "IdentifierError",
    "InUseError",
    "MismatchError",
    "Own",
    "ResourceError",
    "Sentence",
    "both_uids",
    "error_comment",
    "escaped",
    "json_text",
    "unreadable",
    "value_of",
]
