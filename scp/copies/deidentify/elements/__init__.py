"""Elements by the rules: kept, replaced or taken out."""

from scp.copies.deidentify.elements import refusals
from scp.copies.deidentify.elements.encoding import code_item, encoded, made, text_of
from scp.copies.deidentify.elements.items import Items
from scp.copies.deidentify.elements.refusals import VIDEO
from scp.copies.deidentify.elements.report import DeidentificationReport, Identity

__all__ = [
    "VIDEO",
    "DeidentificationReport",
    "Identity",
    "Items",
    "code_item",
    "encoded",
    "made",
    "refusals",
    "text_of",
]
