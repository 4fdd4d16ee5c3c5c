"""The databases that the index may lie in: what it asks of them, and what they share."""

from storage.index.engines.added_keys import AddedKey, AddedKeys, KeyTables
from storage.index.engines.added_values import AddedValues, Filled, candidates
from storage.index.engines.engine import Engine, Stop, never
from storage.index.engines.shared_transactions import SharedTransactions
from storage.index.engines.sought_rows import Part, Sought, SoughtRow

__all__ = [
    "AddedKey",
    "AddedKeys",
    "AddedValues",
    "Engine",
    "Filled",
    "KeyTables",
    "Part",
    "SharedTransactions",
    "Sought",
    "SoughtRow",
    "Stop",
    "candidates",
    "never",
]
