"""What goes to a peer, on associations as a C-MOVE would open them."""

import time
from collections.abc import Generator, Sequence

from scp.config import Peer
from scp.copies.corrected import Copies
from scp.network.scu import Delivery, Origin, Originator, Pause, Result, SubOperationOutcome
from scp.network.tls import Contexts
from scp.node.acts.actor import Actor
from scp.runtime import MANY
from storage import Location
from storage.diagnostics import ArchiveError

_UNASKED = Originator("", 0, 0, named=False)


class Sending:
    """Instances sent to a peer; counts are of what was tried.

    The audit trail is told, however it ends. `deidentified`: by what, where it is.
    """

    def __init__(
        self, actor: Actor, tls: Contexts, title: str, peer: Peer, copies: Copies,
        locations: Sequence[Location], deidentified: str = "",
    ) -> None:  # fmt: skip
        self._actor, self._title, self._locations = actor, title, locations
        self._how = {"deidentified": deidentified} if deidentified else {}
        origin = Origin(actor.settings, tls, copies, _UNASKED)
        self._delivery = Delivery(origin, title, peer, locations, Pause())
        self._results = dict.fromkeys(Result, 0)
        self.bytes, self.seconds = 0, 0.0  # of what arrived, and how long it took

    @property
    def counts(self) -> dict[str, int]:
        """What became of them."""
        found = self._results
        return {"sent": found[Result.COMPLETED], "warned": found[Result.WARNED],
                "failed": found[Result.FAILED]}  # fmt: skip

    def outcomes(self) -> Generator[SubOperationOutcome, None, None]:
        """Send, and tell what becomes of each. Raises ArchiveError."""
        started, ended = time.monotonic(), "interrupted"
        try:
            for outcome in self._delivery:
                if outcome:
                    self._results[outcome.result] += 1
                    is_there = outcome.result is not Result.FAILED
                    self.bytes += outcome.location.file_bytes if is_there else 0
                    yield outcome
            ended = "done"
        except ArchiveError as error:
            ended = str(error)
            raise
        finally:
            self._delivery.stop()
            self.seconds = time.monotonic() - started
            studies = list(dict.fromkeys(one.uids[0] for one in self._locations))[:MANY]
            self._actor.tell(
                "send", destination=self._title, studies=studies, **self._how, **self.counts,
                outcome=ended, seconds=round(self.seconds, 3),
            )  # fmt: skip
