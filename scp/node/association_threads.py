"""The threads that associations run in: one each, and the same one for the next association."""

import threading

from scp.network.association import NodeAssociation

# To start a thread takes longer than to wake one: a few wait for the next association, for a
# while. A node at rest has none.
MOST_IDLE = 8
IDLE_SECONDS = 5.0


class AssociationThreads:
    """Those of one worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Thread] = []  # who came last is asked first, so that the others may go
        self._running: set[NodeAssociation] = set()

    @property
    def running(self) -> list[NodeAssociation]:
        """The associations that have not come to their end."""
        with self._lock:
            return list(self._running)

    @property
    def are_busy(self) -> bool:
        """Whether there are any of these whose peers were not told yet that they are over."""
        with self._lock:
            return any(not one.is_released for one in self._running)

    def run(self, association: NodeAssociation) -> None:
        """Run it in a thread. Raises RuntimeError where none can be had."""
        with self._lock:
            self._running.add(association)
            thread = self._idle.pop() if self._idle else None
        if thread:
            thread.take(association)
            return
        try:
            _Thread(self, association).start()
        except RuntimeError:
            self.ended(association)
            raise

    def ended(self, association: NodeAssociation) -> None:
        """Have one not count any more."""
        with self._lock:
            self._running.discard(association)

    def rest(self, thread: "_Thread") -> bool:
        """Keep a thread for the next association; False: it is one too many."""
        with self._lock:
            if len(self._idle) >= MOST_IDLE:
                return False
            self._idle.append(thread)
            return True

    def leave(self, thread: "_Thread") -> bool:
        """Let a thread go that has waited for long; False: it was just given an association."""
        with self._lock:
            if thread not in self._idle:
                return False
            self._idle.remove(thread)
            return True


class _Thread(threading.Thread):
    """A thread that runs one association after another."""

    def __init__(self, threads: AssociationThreads, association: NodeAssociation) -> None:
        super().__init__(daemon=True)
        self._threads = threads
        self.assoc: NodeAssociation | None = association  # whose errors are logged, see `runtime`
        self._given = threading.Lock()
        self._given.acquire()

    def take(self, association: NodeAssociation) -> None:
        """Run one more, while it rests."""
        self.assoc = association
        self._given.release()

    def run(self) -> None:
        """Run associations until there is none for a while."""
        while (association := self.assoc) is not None:
            try:
                association.run_reactor()
            finally:
                self._threads.ended(association)
            self.assoc = None
            del association  # which may hold much, and not for as long as this rests
            if self._threads.rest(self):
                self._wait()

    def _wait(self) -> None:
        if not self._given.acquire(timeout=IDLE_SECONDS) and not self._threads.leave(self):
            self._given.acquire()  # it comes this moment
