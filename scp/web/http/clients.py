"""Who is served, and who waits: so that nobody takes all threads, or all connections."""

import queue
import threading
from collections import Counter, OrderedDict, deque
from typing import Any


class ClientQueue:
    """Connections that have something to say, by client; stands for the queue of cheroot's threads.

    Clients take turns, and of one no more than `share` are served at one time: but for connections
    that are `is_shared`, as a proxy's before it is known whom it speaks for.
    """

    def __init__(self, most: int, most_of_one: int, share: int) -> None:
        self._most, self._most_of_one, self._share = most, most_of_one, share
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[Any]] = OrderedDict()  # whose turn it is first
        self._count = 0
        self._served: Counter[str] = Counter()
        self._ends: deque[Any] = deque()  # each ends a thread
        self._own = threading.local()

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:
        """Have it wait for its turn. Raises queue.Full where too many do."""
        with self._changed:
            client = getattr(connection, "client", None)
            if client is None:
                self._ends.append(connection)
            else:
                line = self._waiting.get(client, ())
                if self._count >= self._most or len(line) >= self._most_of_one:
                    raise queue.Full
                self._waiting.setdefault(client, deque()).append(connection)
                self._count += 1
            self._changed.notify()

    def get(self) -> Any:
        """The next one for the thread that calls, which has done with the one before."""
        with self._changed:
            self._done()
            while True:
                if connection := self._next():
                    return connection
                if self._ends:
                    return self._ends.popleft()
                self._changed.wait()

    def admits(self, connection: Any, client: str) -> bool:
        """Whether what the calling thread serves may be served as that of another client.

        Where not, it is to be put in again.
        """
        with self._changed:
            self._done()
            connection.client = client
            if self._served[client] >= self._share:
                return False
            self._serve(client)
            return True

    def qsize(self) -> int:
        """How many wait."""
        return self._count

    def served(self) -> int:
        """How many are served."""
        with self._changed:
            return self._served.total()

    def _next(self) -> Any:
        for client, line in self._waiting.items():
            connection = line[0]
            if connection.is_shared or self._served[client] < self._share:
                line.popleft()
                self._count -= 1
                self._waiting.move_to_end(client)
                if not line:
                    del self._waiting[client]
                self._serve(client)
                return connection
        return None

    def _serve(self, client: str) -> None:
        self._served[client] += 1
        self._own.client = client

    def _done(self) -> None:
        client = getattr(self._own, "client", None)
        if client is not None:
            self._own.client = None
            self._served[client] -= 1
            if not self._served[client]:
                del self._served[client]


class SilentConnections:
    """Connections that are open and say nothing, by client, the oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._by_client: dict[str, dict[Any, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, connection: Any) -> Any:
        """Add one; gives the one to be cut where there are too many: who has most, its oldest."""
        with self._lock:
            self._by_client.setdefault(connection.client, {})[connection] = None
            self._count += 1
            if self._count <= self._most:
                return None
            client = max(self._by_client, key=lambda one: len(self._by_client[one]))
            oldest = next(iter(self._by_client[client]))
            self._remove(oldest)
            return oldest

    def discard(self, connection: Any) -> None:
        """Take one out, where it is in."""
        with self._lock:
            if connection in self._by_client.get(connection.client, {}):
                self._remove(connection)

    def _remove(self, connection: Any) -> None:
        own = self._by_client[connection.client]
        del own[connection]
        self._count -= 1
        if not own:
            del self._by_client[connection.client]
