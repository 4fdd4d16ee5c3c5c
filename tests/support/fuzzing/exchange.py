"""One mutated association against a node: what was sent, what was answered, and whether in time."""

import select
import time
from dataclasses import dataclass, field

from support.fuzzing.mutations import Input
from support.network.plain_peer import Wire
from support.network.wire import (
    ABORT,
    ASSOCIATE_RJ,
    C_STORE_RQ,
    C_STORE_RSP,
    RELEASE,
    RELEASE_RP,
    messages,
    split,
)

# How long nothing is said before this side goes on, and how long the node has for all of it.
_SILENT_SECONDS = 0.2
END_SECONDS = 60.0
_ENDS = frozenset((ASSOCIATE_RJ, RELEASE_RP, ABORT))


@dataclass
class Exchanged:
    """What became of an input."""

    answers: list[bytes] = field(default_factory=list)  # PDUs of the node's
    in_time: bool = True
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the node has said its last word."""
        return bool(self.answers) and (not self.answers[-1] or self.answers[-1][0] in _ENDS)

    def acknowledged(self, sent: Input) -> list[tuple[str, bytes]]:
        """SOP Instance UID and data set of each C-STORE that was answered with Success.

        A node answers the requests of an association in their order.
        """
        answers = [m for m in messages(self.answers) if m.number(0x0100) == C_STORE_RSP]
        if not answers:
            return []
        asked = [m for m in messages(split(sent.rest + RELEASE)) if m.number(0x0100) == C_STORE_RQ]
        assert len(answers) <= len(asked), sent.what
        return [
            (answer.text(0x1000), request.data or b"")
            for request, answer in zip(asked, answers, strict=False)
            if answer.number(0x0900) == 0x0000
        ]


def exchange(port: int, sent: Input) -> Exchanged:
    """Send an input, take what is answered, and see that it comes to an end."""
    result, started = Exchanged(), time.monotonic()
    with Wire(port, END_SECONDS) as wire:
        wire.connection.setblocking(False)
        # Not before it is answered: data that comes earlier ends an association (PS3.8 9.2.2).
        _talk(wire, sent.opening, result, 1)
        if not result.is_over:
            _talk(wire, sent.rest + RELEASE, result, None)
        if not result.is_over:
            wire.end_writing()
            result.in_time = _talk(wire, b"", result, None, started + END_SECONDS)
    result.seconds = time.monotonic() - started
    return result


def _talk(
    wire: Wire, data: bytes, result: Exchanged, answers: int | None, deadline: float | None = None
) -> bool:
    """Send `data` and take answers, so many or to the end; False where that takes too long.

    Too long is silence where there is no deadline.
    """
    left, connection = memoryview(data), wire.connection
    while not result.is_over and (answers is None or left or len(result.answers) < answers):
        seconds = _SILENT_SECONDS if deadline is None else deadline - time.monotonic()
        if seconds <= 0:
            return False
        ready = select.select([connection], [connection] if left else [], [], seconds)
        if not ready[0] and not ready[1]:
            return False
        if ready[1]:
            try:
                left = left[connection.send(left) :]
            except OSError:  # the node has closed it: what it said before can still be read
                left = left[:0]
        if ready[0]:
            result.answers += wire.take()
    return True
