"""What a request begins and does not wait for: done beside it, in threads of their own."""

import threading
import time
from collections.abc import Callable

from scp.web.request.access import BusyError

# Of one process; each may read and send as fast as the machine can.
_MOST = 8
_RETRY_SECONDS = 5.0


class Undertakings:
    """Those of a process; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._is_stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether they are to end with what they are at."""
        return self._is_stopped.is_set()

    def require_room(self) -> None:
        """Raise BusyError where too many are under way."""
        if len(self._threads) >= _MOST:
            raise BusyError("too much is under way; try again", _RETRY_SECONDS)

    def begin(self, work: Callable[[], None], wait_seconds: float) -> None:
        """Have it done, and wait for it a moment."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, daemon=True, name="act")
        with self._lock:
            self._threads.add(thread)
        thread.start()
        thread.join(wait_seconds)

    def stop(self) -> None:
        """Have them end as soon as what they did can be left as it is."""
        self._is_stopped.set()

    def end(self, seconds: float) -> None:
        """Wait for them, for so long; then have them stop, and wait for that."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(deadline - time.monotonic(), 0))
        self.stop()
        for thread in list(self._threads):
            thread.join()
