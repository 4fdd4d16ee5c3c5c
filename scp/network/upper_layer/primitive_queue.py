"""The queues between the upper layer and who uses it, for one thread that takes and never waits."""

from collections import deque
from queue import Empty
from typing import Generic, TypeVar

_Held = TypeVar("_Held")


class PrimitiveQueue(Generic[_Held]):
    """As much of `queue.Queue` as pynetdicom asks for, without its locks.

    Any thread may put something in; only the one that drives the upper layer takes it out.
    """

    def __init__(self) -> None:
        self.queue: deque[_Held] = deque()  # which pynetdicom looks into
        self.put = self.queue.append

    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.queue

    def get(self, block: bool = False, timeout: float | None = None) -> _Held:
        """What came first; it is never waited for. Raises queue.Empty."""
        try:
            return self.queue.popleft()
        except IndexError:
            raise Empty from None

    def get_nowait(self) -> _Held:
        """The same."""
        return self.get()
