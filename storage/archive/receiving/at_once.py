"""A new instance that is stored at once: nothing is read first, and nothing decided behind it.

What is sent was right when this process looked last, or looks for what is above the instance;
whether it is so the statement sees itself, with the right to write, and enters all or nothing.
"""

from typing import TYPE_CHECKING

from storage.index.consistency import asked_about, told_of
from storage.sharing.ledger import NewObject
from storage.sharing.opened import Shared

if TYPE_CHECKING:
    from storage.index.engines.postgres import Told


class Entering:
    """One that is sent with a trip."""

    def __init__(self, shared: Shared, new: NewObject) -> None:
        """Of what `send` of the engine runs."""
        self._shared, self._uids, self._row = shared, new.uids, new.row
        self._entered: Told = shared.engine.say(*new.statement())
        self._about: Told = shared.engine.say_behind(*asked_about(new.uids))

    @property
    def is_remembered(self) -> bool:
        """Whether what is above it was not looked for."""
        return self._row.is_remembered

    def has_entered(self) -> bool:
        """Whether it was: else something is otherwise, or another was faster."""
        found = self._entered.rows()
        if found and not self.is_remembered:
            self._row.learn(self._shared.index, found[0])
        return bool(found)

    def disagreements(self) -> list[str]:
        """What is odd about it."""
        return told_of(self._uids, self._about.rows())
