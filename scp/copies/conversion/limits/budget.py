"""What the conversions of a node may take in all, and one conversion that goes by it."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from scp.config import Limits
from scp.copies.conversion.data_set import GoneError, LimitError
from scp.copies.conversion.limits.shares import Shares
from scp.copies.conversion.limits.turns import Turns, TurnShare

_MIB = 1024 * 1024
# How often it is asked whether the receiver is still there.
_ASK_SECONDS = 0.1
# Of the memory, what waits to be sent may have a part; the rest is for frames.
_OF_SPOOLS = 16
# Takes of space up to this are small: of a part that large ones leave to them.
SMALL_SPACE_BYTES = 64 * _MIB


@dataclass
class ConversionBudget:
    """The limits in force: `memory` is of frames, `spools` of what is converted and small.

    Memory and space are shared with the processes forked from this one.

    `folder` is where temporary files lie; without one, where the system has its own.
    """

    memory: Shares = field(default_factory=lambda: Shares(480 * _MIB))
    spools: Shares = field(default_factory=lambda: Shares(32 * _MIB))
    space: Shares = field(default_factory=lambda: Shares(8192 * _MIB))
    said_memory: int = 512 * _MIB  # as configured
    seconds: float = 600.0
    folder: Path | None = None
    free_bytes: int = 0

    def set(self, data: Path, limits: Limits) -> None:
        """Go by [limits] from now on, for the archive at `data`: here and in what is forked."""
        self.folder, self.space.limit = data / "incoming", limits.conversion_space
        self.said_memory = limits.conversion_memory
        self.spools.limit = limits.conversion_memory // _OF_SPOOLS
        self.memory.limit = limits.conversion_memory - self.spools.limit
        self.seconds, self.free_bytes = limits.conversion_seconds, limits.free_bytes

    def check_disk(self, folder: Path | None, more: int) -> None:
        """Raise LimitError where `more` bytes would leave less free than must stay."""
        if not self.free_bytes or folder is None:
            return
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize - more < self.free_bytes:
            raise LimitError(
                f"[limits] free_bytes = {self.free_bytes}: its temporary file of {more} bytes "
                "would leave less free on the disk"
            )


BUDGET = ConversionBudget()


class Receiver:
    """Who is to get what is converted; asked whether it is still there."""

    def __init__(self, is_gone: Callable[[], bool] = lambda: False) -> None:
        self.is_gone = is_gone
        self.share = TurnShare()


class Conversion:
    """One conversion under way: what it takes is bounded, and ends when its receiver is gone."""

    def __init__(self, receiver: Receiver | None = None, folder: Path | None = None) -> None:
        self.folder = folder or BUDGET.folder
        self._receiver = receiver or Receiver()
        self._started = self._asked = time.monotonic()
        self._waited = 0.0
        self._reserved = 0  # of the space: taken, and given to no file yet

    def __enter__(self) -> "Conversion":
        return self

    def __exit__(self, *exception: object) -> None:
        """Give back what no file has taken."""
        if self._reserved:
            BUDGET.space.give_back(self._reserved)
        self._reserved = 0

    def check(self) -> None:
        """Raise LimitError where it is to go on no more; to be called now and then."""
        now = time.monotonic()
        if now - self._asked >= _ASK_SECONDS:
            self._asked = now
            if self._receiver.is_gone():
                raise GoneError
        if now - self._started - self._waited > BUDGET.seconds:
            raise LimitError(f"[limits] conversion_seconds = {BUDGET.seconds:g}: it takes longer")

    def turn(self, turns: Turns) -> AbstractContextManager[None]:
        """A turn, waited for."""
        started = time.monotonic()
        waited = turns.turn(self._receiver.share, self._waits(started, "a turn to be decoded"))
        return _Waited(self, waited, started)

    def take_memory(self, amount: int, small: bool) -> None:
        """Take memory, waited for; to be given back to BUDGET.memory."""
        said = f"conversion_memory = {BUDGET.said_memory}"
        self._take(BUDGET.memory, said, "of memory", amount, small)

    def reserve_space(self, amount: int) -> None:
        """Take space on the disk for all files that are to come, waited for.

        At one time, for who has taken a part and waits for the rest holds up others for ever.
        """
        more = amount - self._reserved
        if more <= 0:
            return
        BUDGET.check_disk(self.folder, more)
        small = amount <= SMALL_SPACE_BYTES
        said = f"conversion_space = {BUDGET.space.limit}"
        self._take(BUDGET.space, said, "of temporary space", more, small)
        self._reserved += more

    def take_space(self, amount: int) -> None:
        """Take space for a file, to be given back to BUDGET.space; of what is reserved, at first.

        Raises LimitError where there is none: it is not waited for.
        """
        more = max(amount - self._reserved, 0)
        if more:
            BUDGET.check_disk(self.folder, more)
            if not BUDGET.space.take_at_once(more):
                words = f"[limits] conversion_space = {BUDGET.space.limit}: others have taken it"
                raise LimitError(words)
        self._reserved -= amount - more

    def _take(self, shares: Shares, said: str, of: str, amount: int, small: bool) -> None:
        most = shares.limit if small else shares.most
        if amount > most:
            raise LimitError(
                f"[limits] {said}: it needs {amount} bytes {of}, and one may have {most}"
            )
        started = time.monotonic()
        words = f"{amount} bytes {of} ([limits] {said})"
        try:
            shares.take(amount, small, self._waits(started, words))
        finally:
            self.waited(started)

    def _waits(self, started: float, what: str) -> Callable[[], None]:
        """What is to be called while it waits."""

        def check() -> None:
            now = time.monotonic()
            if now - started > BUDGET.seconds:
                raise LimitError(
                    f"[limits] conversion_seconds = {BUDGET.seconds:g}: it waited longer for {what}"
                )
            if now - self._asked >= _ASK_SECONDS:
                self._asked = now
                if self._receiver.is_gone():
                    raise GoneError

        return check

    def waited(self, since: float) -> None:
        """Not count the time since then: others had their turns."""
        self._waited += time.monotonic() - since


@dataclass
class _Waited(AbstractContextManager[None]):
    """A turn that tells its conversion how long it was waited for."""

    conversion: Conversion
    turn: AbstractContextManager[None]
    started: float

    def __enter__(self) -> None:
        try:
            self.turn.__enter__()
        finally:
            self.conversion.waited(self.started)

    def __exit__(self, *exception: object) -> bool | None:
        return self.turn.__exit__(*exception)  # type: ignore[arg-type]
