"""Lookup tables of the modality, of values of interest, of palettes (PS3.3 C.11.1, C.11.2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Array = NDArray[Any]
_MOST_ENTRIES = 1 << 16


@dataclass(frozen=True)
class Table:
    """Entries from the value `first` on; what is below or beyond has the nearest one."""

    first: int
    entries: Array
    bits: int

    def of(self, values: Array) -> Array:
        """The entries of values."""
        places = np.clip(np.asarray(values, np.float64) - self.first, 0, len(self.entries) - 1)
        return np.take(self.entries, places.astype(np.intp))

    @property
    def most(self) -> int:
        """What an entry may be."""
        return (1 << self.bits) - 1


def table(descriptor: Any, data: bytes) -> Table:
    """The table of a descriptor and its data. Raises ValueError where they are none."""
    count, first, bits = (int(one) for one in descriptor)
    count = count or _MOST_ENTRIES
    if not 0 < count <= _MOST_ENTRIES or not 1 <= bits <= 16:
        raise ValueError(f"a table of {count} entries of {bits} bits")
    # Entries of 8 bits may be in words all the same (PS3.3 C.11.1.1.1).
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2")
    entries = words if len(words) >= count else np.frombuffer(data, "u1")
    if len(entries) < count:
        raise ValueError(f"a table has {len(entries)} of {count} entries")
    entries = entries[:count]
    needed = int(entries.max()).bit_length()
    return Table(first, entries, max(bits if entries.itemsize > 1 else 8, needed))


def first_table(header: Dataset, sequence: str) -> Table | None:
    """The table of the first item of a sequence; None where there is none that can be used."""
    items = header.get(sequence)
    if not items:
        return None
    try:
        return table(items[0].LUTDescriptor, items[0].LUTData)
    except (AttributeError, TypeError, ValueError):
        return None
