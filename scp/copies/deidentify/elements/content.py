"""Sequences in whose items, and all below, other rules hold than in the data set."""

from collections.abc import Iterator

from scp.copies.conversion.data_set import Scope, StoredElement


class Within:
    """Those of one data set that were entered for one rule."""

    def __init__(self) -> None:
        self._entered: list[StoredElement] = []

    def enter(self, sequence: StoredElement) -> None:
        """Have the rule hold in the items of a sequence, and all below."""
        if not self._is_within(sequence.start - 1):
            self._entered.append(sequence)

    def holds(self, scope: Scope) -> bool:
        """Whether a data set or item is among them."""
        first = next(_stored(scope), None)
        return first is not None and self._is_within(first.start)

    def _is_within(self, at: int) -> bool:
        return any(one.start <= at < one.end for one in self._entered)


def _stored(scope: Scope) -> Iterator[StoredElement]:
    return (one for one in scope.elements if isinstance(one, StoredElement))
