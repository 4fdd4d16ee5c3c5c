"""What a de-identification took that the profile does not name, in words for who asked for it."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from pydicom.datadict import keyword_for_tag

from scp.copies.conversion.data_set import name

_MOST_NAMES = 30


# Who an instance was, and who it is said to be: values by keyword, the new ones as NewPatientID.
Identity = Mapping[str, str]


class DeidentificationReport:
    """Names of attributes and places, and of how many instances each was taken; no values.

    Where `note` is given it is called with the identity of each instance, by one thread at a time.
    """

    def __init__(self, note: Callable[[Identity], None] | None = None) -> None:
        self._note = note
        self._counts: Counter[str] = Counter()
        self._has_volumes = False
        self._lock = threading.Lock()

    def add(self, taken: set[str], has_volumes: bool) -> None:
        """What was taken of an instance, and whether it is of those that show a body in slices."""
        with self._lock:
            self._counts.update(taken)
            self._has_volumes |= has_volumes

    def identify(self, identity: Identity) -> None:
        """Who an instance was and is now, for the table that was asked for."""
        if self._note:
            with self._lock:
                self._note(identity)

    def lines(self) -> list[str]:
        """What is to be told, the most frequent first."""
        found = []
        if self._counts:
            told = [f"{what} ({count})" for what, count in self._counts.most_common(_MOST_NAMES)]
            beyond = len(self._counts) - len(told)
            more = f", and {beyond} more" if beyond else ""
            words = "not known to be safe, and taken out beyond the profile (of how many instances)"
            found.append(f"{words}: {', '.join(told)}{more}")
        if self._has_volumes:
            found.append(
                "slices of a head can show its face: neither this nor text in pixels is looked for"
            )
        return found


def name_of(tag: int) -> str:
    """An attribute by keyword, or tag; private ones are one."""
    return "private attributes" if tag >> 16 & 1 else keyword_for_tag(tag) or name(tag)
