"""Data sets taken apart and written anew, element by element."""

from scp.copies.conversion.data_set.concatenation import chained
from scp.copies.conversion.data_set.errors import GoneError, LimitError, TranscodeError
from scp.copies.conversion.data_set.layout import (
    ITEM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    DataSetSource,
    Span,
    StoredElement,
    StoredItem,
    belongs,
    name,
)
from scp.copies.conversion.data_set.rewrite import Adapt, Writer, as_it_is, holds_strays
from scp.copies.conversion.data_set.vrs import (
    BITS_ALLOCATED,
    PIXEL_REPRESENTATION,
    Made,
    Scope,
    find,
    swapped,
    unit,
)

__all__ = [
    "BITS_ALLOCATED",
    "ITEM",
    "PIXEL_DATA",
    "PIXEL_REPRESENTATION",
    "SEQUENCE_END",
    "UNDEFINED",
    "Adapt",
    "DataSetSource",
    "GoneError",
    "LimitError",
    "Made",
    "Scope",
    "Span",
    "StoredElement",
    "StoredItem",
    "TranscodeError",
    "Writer",
    "as_it_is",
    "belongs",
    "chained",
    "find",
    "holds_strays",
    "name",
    "swapped",
    "unit",
]
