"""A peer that takes no association just now (A-ASSOCIATE-RJ, transient) is asked again."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from pynetdicom.association import Association

from scp.config import Peer, Settings
from scp.network.association import NoAssociationError, Obstacle

# After which it is asked again, each time, at most; then by the last.
_BUSY_SECONDS = (0.5, 1.0, 2.0, 4.0)
# Of which so much at least, by chance: two that ask in step would be in each other's way.
_LEAST_OF_PAUSE = 0.5


def pauses(settings: Settings, peer: Peer) -> Iterator[float]:
    """The seconds to wait each time, until it has been busy for as long as an answer may take."""
    until = time.monotonic() + (peer.acse_timeout or settings.limits.acse_timeout)
    for longest in chain(_BUSY_SECONDS, repeat(_BUSY_SECONDS[-1])):
        pause = longest * random.uniform(_LEAST_OF_PAUSE, 1.0)
        if time.monotonic() + pause > until:
            return
        yield pause


def when_free(settings: Settings, peer: Peer, ask: Callable[[], Association]) -> Association:
    """What `ask` gives, an association, asked again while the peer is busy.

    Raises NoAssociationError.
    """
    asked = pauses(settings, peer)
    while True:
        try:
            return ask()
        except NoAssociationError as error:
            pause = next(asked, None) if error.obstacle is Obstacle.BUSY else None
            if pause is None:
                raise
        time.sleep(pause)
