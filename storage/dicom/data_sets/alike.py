"""What data sets that follow on each other say alike: known again by its bytes.

The images of a series differ in a few elements. Where all that lies between these is, byte for
byte, what it was in one before, nothing of it is read again.
"""

import struct
from collections.abc import Collection

from storage.dicom.data_sets.header_scanner import FoundElement, Scanner, UnusualError, Wanted

# Of an ordinary header; a longer one is not kept.
_MOST_BYTES = 16 * 1024
# Where more elements differ it is as fast to read them all.
_MOST_DIFFERING = 32


class AlikeDataSets:
    """The elements of a data set up to `last_tag`, and which of them differed in those before.

    Raises UnusualError where they cannot be told, or what is `decisive` for others differs.
    """

    def __init__(
        self, data: bytes, implicit_vr: bool, wanted: Wanted, last_tag: int,
        decisive: Collection[int] = (), before: "AlikeDataSets | None" = None,
    ) -> None:  # fmt: skip
        self._implicit_vr, self._wanted, self._last_tag = implicit_vr, wanted, last_tag
        try:
            self._spans = Scanner(data, implicit_vr).spans(last_tag)
        except struct.error:
            raise UnusualError("cut short") from None
        end = self._spans[-1][2] if self._spans else 0
        if not 0 < end <= _MOST_BYTES:
            raise UnusualError("too long to be kept")
        self._data = data[:end]
        self._differing = self._found_differing(before) if before else frozenset[int]()
        if len(self._differing) > _MOST_DIFFERING or not self._differing.isdisjoint(decisive):
            raise UnusualError("it differs in too much")
        self._parts = self._made_parts()

    def differing(self, data: bytes) -> dict[int, FoundElement] | None:
        """The wanted elements among those that may differ; None where any other one does.

        The others are the same, and there are no more.
        """
        found: dict[int, FoundElement] = {}
        position = 0
        try:
            scanner = Scanner(data, self._implicit_vr)
            for same, tag in self._parts:
                if not data.startswith(same, position):
                    return None
                position += len(same)
                if tag is not None:
                    position = scanner.element_at(position, tag, found, self._wanted)
            return found if scanner.is_behind(position, self._last_tag) else None
        except (UnusualError, struct.error):
            return None

    def _found_differing(self, before: "AlikeDataSets") -> frozenset[int]:
        """Those of the elements that differ, or did; none where there are others than before."""
        both = list(zip(self._spans, before._spans, strict=False))
        if len(self._spans) != len(before._spans) or any(a[0] != b[0] for a, b in both):
            return frozenset()
        return before._differing | {
            tag for (tag, start, end), (_, first, last) in both
            if self._data[start:end] != before._data[first:last]
        }  # fmt: skip

    def _made_parts(self) -> list[tuple[bytes, int | None]]:
        """What is always the same, and the tag of the element behind it that may differ."""
        parts: list[tuple[bytes, int | None]] = []
        begun = 0
        for tag, start, end in self._spans:
            if tag in self._differing:
                parts.append((self._data[begun:start], tag))
                begun = end
        return [*parts, (self._data[begun:], None)]
