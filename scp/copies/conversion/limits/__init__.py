"""What conversions may take together: memory, space, time and turns."""

from scp.copies.conversion.limits.budget import BUDGET, Conversion, Receiver
from scp.copies.conversion.limits.spool import IN_MEMORY_BYTES, Spool
from scp.copies.conversion.limits.turns import Turns

__all__ = [
    "BUDGET",
    "IN_MEMORY_BYTES",
    "Conversion",
    "Receiver",
    "Spool",
    "Turns",
]
