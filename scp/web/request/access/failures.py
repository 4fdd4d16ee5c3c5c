"""How often it was tried in vain to prove who one is: who goes on is told to wait.

Nobody is made to wait here, which would hold a thread. By address, and by address and name: one
who guesses does not keep others out, but for those behind the same address by the same name.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from scp.web.request.access.errors import TooManyError

# What a person mistypes, or a browser sends over several connections at one time; then the wait
# doubles with each.
_FREE_BY_NAME, _FREE_BY_ADDRESS = 10, 40
_MOST_WAIT_SECONDS = 300.0
_FORGOTTEN_SECONDS = 900.0
# Of how many it is known; beyond, the one that failed longest ago is forgotten.
_MOST_KEYS = 16384

_Key = tuple[str, ...]


@dataclass
class _Tries:
    count: int = 0
    last: float = 0.0


class Failures:
    """Those of a process, newest last; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[_Key, _Tries] = OrderedDict()

    def require(self, address: str, name: str) -> None:
        """Raise TooManyError where the name is not to be tried from there now."""
        with self._lock:
            self._require((_network(address), name), _FREE_BY_NAME)

    def begin(self, address: str, name: str) -> None:
        """Count a try, which has failed unless `forgive` follows. Raises TooManyError."""
        network, now = _network(address), self._clock()
        with self._lock:
            self._require((network, name), _FREE_BY_NAME)
            self._require((network,), _FREE_BY_ADDRESS)
            for key in ((network, name), (network,)):
                tries = self._tries.setdefault(key, _Tries())
                tries.count, tries.last = tries.count + 1, now
                self._tries.move_to_end(key)
            while len(self._tries) > _MOST_KEYS:
                self._tries.popitem(last=False)

    def forgive(self, address: str, name: str) -> None:
        """Take back what was counted: it was no failure, and those before were mistakes."""
        network = _network(address)
        with self._lock:
            self._tries.pop((network, name), None)
            if tries := self._tries.get((network,)):
                tries.count -= 1

    def _require(self, key: _Key, free: int) -> None:
        tries = self._tries.get(key)
        if tries is None:
            return
        since = self._clock() - tries.last
        if since > _FORGOTTEN_SECONDS:
            del self._tries[key]
        elif tries.count >= free:
            wait = min(2.0 ** min(tries.count - free, 30), _MOST_WAIT_SECONDS) - since
            if wait > 0:
                raise TooManyError("it was tried too often in vain; try again later", wait)


def _network(address: str) -> str:
    """An address, or of IPv6 the network that one customer has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(int(found) >> 64) if isinstance(found, IPv6Address) else address
