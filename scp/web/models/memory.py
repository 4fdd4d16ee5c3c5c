"""Elements as they were written, known again by their bytes."""

from storage.dicom.values import Charset

# An element of no more bytes is kept where it is no longer when it is written, and so many of them
# in so many character sets; then it begins anew. That is 2 MB of ordinary instances, and 50 MB of
# what is made to be more.
KEPT_BYTES, _KEPT_WRITTEN, _KEPT_ELEMENTS, _KEPT_CHARSETS = 512, 1024, 4096, 8

# The bytes of an element; of a private one with its creator.
Key = bytes | tuple[str, bytes]
Known = dict[Key, bytes]


class Memory:
    """Elements as they were written, by what they depend on: the form is always one.

    Threads may share it: what is lost between two of them is made again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[bool, tuple[str, ...], str], Known] = {}

    def of(self, implicit_vr: bool, named: Charset) -> Known:
        """The elements in an encoding whose text is in a character set."""
        key = implicit_vr, named.terms, named.fallback
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEPT_CHARSETS:
                self._known.clear()
            known = self._known[key] = {}
        return known


def keep(known: Known, key: Key, found: bytes) -> None:
    """Keep an element that was written."""
    if len(found) > _KEPT_WRITTEN:
        return
    if len(known) >= _KEPT_ELEMENTS:
        known.clear()
    known[key] = found
