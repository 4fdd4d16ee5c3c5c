"""What is done again and again beside the workers: that it fails is told once for each cause."""

import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from peewee import PeeweeException

from scp.runtime.log import one_line
from storage.diagnostics import ArchiveError

logger = logging.getLogger(__name__)

# What disk, index and rights may refuse: nothing that a node should end of.
REFUSALS = (OSError, ArchiveError, PeeweeException, sqlite3.Error)

_Result = TypeVar("_Result")


class Attempts:
    """Keeps what each failed of the last time."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def attempt(self, what: str, work: Callable[[], _Result], otherwise: _Result) -> _Result:
        """What `work` returns, or `otherwise` where it is refused."""
        try:
            found = work()
        except REFUSALS as error:
            self.tell(what, one_line(error))
            return otherwise
        self.tell(what, "")
        return found

    def tell(self, what: str, fault: str) -> None:
        """Log a fault that is not the one of before, and that there is none any more."""
        before = self._told.pop(what, "")
        if fault:
            self._told[what] = fault
        if fault and fault != before:
            logger.error("%s: %s", what, fault)
        elif before and not fault:
            logger.warning("%s: no longer", what)
