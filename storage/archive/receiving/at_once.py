"""A new instance that is stored at once: nothing is read first, and nothing decided behind it.

What is sent was right when this process looked last; whether it still is, the statement sees
itself, with the right to write, and enters all or nothing.
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
        self._uids = new.uids
        self._entered: Told = shared.engine.say(*new.statement())
        self._about: Told = shared.engine.say_behind(*asked_about(new.uids))

    @property
    def is_entered(self) -> bool:
        """Whether it was: else something has changed, or another was faster."""
        return bool(self._entered.rows())

    def disagreements(self) -> list[str]:
        """What is odd about it."""
        return told_of(self._uids, self._about.rows())
