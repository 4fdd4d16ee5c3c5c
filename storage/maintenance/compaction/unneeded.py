"""Which lines of the journal nothing needs, by the subject that they are of.

All lines are seen first, in their order; then each is asked for. What begins something goes before
what ended it: whatever a kill leaves, no end is missing whose begin is there.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from storage.journal import Subject, Times, record_of
from storage.journal.segments import Line, Notes

_OVER, _NOT_OVER = "over", "not over"


class Unneeded(Protocol):
    """Those of one name."""

    def see(self, lines: Sequence[Line]) -> bool:
        """Note what the next lines tell; whether any of them may go, as far as can be told."""

    def may_go(self, line: Line) -> bool:
        """Whether a line may, of those that are in segments before which all is decided."""

    def stay(self, line: Line) -> None:
        """Note that a line stays which might have gone."""

    def times(self, line: Line) -> list[Times]:
        """What is told of a line that goes."""

    def forget(self, lines: Sequence[Line]) -> None:
        """Have others forget what these lines are of, which go next. Raises ResourceError."""


class Ended(Unneeded):
    """Of subjects that each have ended for good with their last line."""

    def __init__(self, notes: Notes, subject_of: Callable[[bytes], Subject | None]) -> None:
        self._notes, self._subject_of = notes, subject_of

    def see(self, lines: Sequence[Line]) -> bool:
        """Note what the next lines tell; whether any of them may go, as far as can be told."""
        told = [one for line in lines if (one := self._subject_of(line.text))]
        self._notes.write((one.key, _NOT_OVER if one.is_begin or not one.is_over else _OVER)
                          for one in told)  # fmt: skip
        return bool(told)

    def may_go(self, line: Line) -> bool:
        """Whether a line may: what ended it only behind what began it."""
        told = self._subject_of(line.text)
        if told is None or self._notes.state(told.key) != _OVER:
            return False
        return told.is_begin or not self._notes.stays(told.key)

    def stay(self, line: Line) -> None:
        """Note that a line stays which might have gone."""
        told = self._subject_of(line.text)
        if told and told.is_begin:
            self._notes.stay(told.key)

    def times(self, line: Line) -> list[Times]:
        """Of these nobody asks when they came."""
        return []

    def forget(self, lines: Sequence[Line]) -> None:
        """Nobody else remembers them."""


class Forgotten(Unneeded):
    """Acceptances before the last line that forgets all; the few such lines stay."""

    def __init__(self) -> None:
        self._last = 0

    def see(self, lines: Sequence[Line]) -> bool:
        """Note what the next lines tell; whether any of them may go, as far as can be told."""
        for line in lines:
            if (record_of(line.text) or {}).get("accepted") is False:
                self._last = line.start
        return True

    def may_go(self, line: Line) -> bool:
        """Whether it is an acceptance before the last line that forgets."""
        told = (record_of(line.text) or {}).get("accepted")
        return told is True and line.start < self._last

    def stay(self, line: Line) -> None:
        """Nothing else depends on it."""

    def times(self, line: Line) -> list[Times]:
        """Of these nobody asks when they came."""
        return []

    def forget(self, lines: Sequence[Line]) -> None:
        """Nobody else remembers them."""
