"""Jobs of which each is done by one node at a time: each by a lease that ends unless it is renewed.

Only the clock of PostgreSQL says when one has ended, for all. Who holds it counts for itself, from
before it asked, on a clock that nobody sets, and stops a while earlier: what is under way has that
long to end. A process that was held up over all that, and takes itself for the holder still, is
told by the number of its turn in whatever it writes (`Lease.require`).
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from storage.diagnostics import Event, ResourceError
from storage.sharing.nodes.schema import Schema

logger = logging.getLogger(__name__)

# How long a job stays with a node that is not heard of. Of that: how much of it is left where who
# holds it stops by itself, and after how much it is renewed.
LEASE_SECONDS = 20.0
_LEFT, _RENEWED = 0.35, 0.2
# How often who waits for one looks whether it is free.
LOOK_SECONDS = 1.0
_TURN_BITS = 62

_UNTIL = "clock_timestamp() + ?::float8 * interval '1 second'"
_IS_DUE = "job.done IS NULL OR job.done + ?::float8 * interval '1 second' <= clock_timestamp()"
_TAKE = (
    "INSERT INTO job (name, holder, turn, until) "
    f"VALUES (?, ?, ?, {_UNTIL}) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, turn = excluded.turn, "
    f"until = {_UNTIL} WHERE job.until <= clock_timestamp() AND ({_IS_DUE}) RETURNING 1"
)
_RENEW = f"UPDATE job SET until = {_UNTIL} WHERE name = ? AND turn = ? RETURNING 1"
_RELEASE = "UPDATE job SET until = clock_timestamp() WHERE name = ? AND turn = ?"
_DONE = "UPDATE job SET done = clock_timestamp() WHERE name = ? AND turn = ?"
# A share of the row: nobody takes the job before this transaction has ended.
_IS_HELD = "SELECT 1 FROM job WHERE name = ? AND turn = ? FOR SHARE"
_HOLDERS = "SELECT name, holder FROM job WHERE until > clock_timestamp() ORDER BY name"


class LeaseLostError(ResourceError):
    """Another node has the job by now."""


class Jobs:
    """The jobs of an archive, for one of its nodes; `holder` is what the others call that."""

    def __init__(self, schema: Schema, holder: str) -> None:
        self._schema, self._holder = schema, holder

    def take(self, name: str, every: float = 0.0) -> "Lease | None":
        """Take a job that nobody has, and that was not done for so many seconds; else None.

        Raises ResourceError.
        """
        # Not the next number: a standby that is promoted may not know of the last one.
        began, turn = _now(), secrets.randbits(_TURN_BITS)
        given = name, self._holder, turn, LEASE_SECONDS, LEASE_SECONDS, every
        with self._schema.errors():
            is_taken = self._schema.engine.execute(_TAKE, given)
        return Lease(self._schema, name, turn, began) if is_taken else None

    def holders(self) -> dict[str, str]:
        """Who has which job. Raises ResourceError."""
        with self._schema.errors():
            return dict(self._schema.engine.execute(_HOLDERS, ()))


class Lease:
    """A job that was taken: kept for as long as the block lasts, and then given back."""

    def __init__(self, schema: Schema, name: str, turn: int, began: float) -> None:
        self.name, self.turn = name, turn
        self._schema = schema
        self._until = began + LEASE_SECONDS
        self._over = threading.Event()
        self._is_left = False
        self._keeper = threading.Thread(target=self._keep, name=f"lease {name}", daemon=True)

    def __enter__(self) -> "Lease":
        return self.kept()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        try:
            if not self._is_left:
                self._run(_RELEASE)
        except ResourceError as error:  # it ends by itself
            logger.debug("the job %s is not given back: %s", self.name, error)

    def kept(self) -> "Lease":
        """Keep it, as in a block that has no end; it is not given back then."""
        self._keeper.start()
        return self

    @property
    def is_held(self) -> bool:
        """Whether it is held, for as long as what is begun now may take."""
        return _now() < self._until - LEASE_SECONDS * _LEFT

    def require(self) -> None:
        """See, in a transaction of the same schema, that no other node has it until that ends.

        Raises LeaseLostError, ResourceError.
        """
        if not self._run(_IS_HELD):
            raise LeaseLostError(f"Another node has the job {self.name} by now")

    def leave_to_end(self) -> None:
        """Do not give it back with the block, of which something goes on: it ends by itself."""
        self._is_left = True

    def note_done(self) -> None:
        """Note that the job was done just now. Raises ResourceError."""
        self._run(_DONE)

    @contextmanager
    def or_end(self) -> Iterator[None]:
        """Have the process end at once where it is lost within the block: as if it were killed."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LEASE_SECONDS * _RENEWED / 2):
                if not self.is_held:
                    logger.error(Event("job ends here", "its lease is lost", job=self.name))
                    os._exit(1)

        watcher = threading.Thread(target=watch, name="watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _keep(self) -> None:
        while not self._over.wait(LEASE_SECONDS * _RENEWED):
            began = _now()
            try:
                if not self._run(_RENEW, LEASE_SECONDS):
                    self._until = began
                    return
                self._until = began + LEASE_SECONDS
            except ResourceError as error:
                logger.warning(Event("job not kept yet", error, job=self.name))

    def _run(self, statement: str, *before: object) -> list[object]:
        with self._schema.errors():
            return self._schema.engine.execute(statement, (*before, self.name, self.turn))


def _now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
