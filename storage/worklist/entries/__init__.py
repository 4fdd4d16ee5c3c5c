"""Entries of the worklist: what an order has to have, what is filled in, how one is written."""

from storage.worklist.entries import csv_rows, folder
from storage.worklist.entries.attributes import (
    NEVER_EMPTY,
    NOT_KEYS,
    STEP_SEQUENCE,
    TABLE,
    WorklistAttribute,
)
from storage.worklist.entries.entry import Entry, EntryError, completed, from_values, to_values
from storage.worklist.entries.json_form import from_json, to_json
from storage.worklist.entries.orders import (
    CANCEL,
    DISCONTINUE,
    MessageError,
    Order,
    read_orders,
)

__all__ = [
    "CANCEL",
    "DISCONTINUE",
    "NEVER_EMPTY",
    "NOT_KEYS",
    "STEP_SEQUENCE",
    "TABLE",
    "Entry",
    "EntryError",
    "MessageError",
    "Order",
    "WorklistAttribute",
    "completed",
    "csv_rows",
    "folder",
    "from_json",
    "from_values",
    "read_orders",
    "to_json",
    "to_values",
]
