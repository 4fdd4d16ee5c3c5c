"""Entries of the worklist: what an order has to have, what is filled in, how one is written."""

from storage.worklist.entries import csv_rows
from storage.worklist.entries.attributes import (
    NEVER_EMPTY,
    NOT_KEYS,
    OF_STEP,
    STEP_SEQUENCE,
    TABLE,
    WorklistAttribute,
)
from storage.worklist.entries.entry import Entry, EntryError, completed, from_values, to_values
from storage.worklist.entries.json_form import from_json, to_json

__all__ = [
    "NEVER_EMPTY",
    "NOT_KEYS",
    "OF_STEP",
    "STEP_SEQUENCE",
    "TABLE",
    "Entry",
    "EntryError",
    "WorklistAttribute",
    "completed",
    "csv_rows",
    "from_json",
    "from_values",
    "to_json",
    "to_values",
]
