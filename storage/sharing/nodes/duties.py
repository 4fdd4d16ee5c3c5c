"""Who reports on what was asked of which worker to commit to, where several may."""

from dataclasses import dataclass
from typing import Protocol

from storage.sharing.nodes.leases import Lease
from storage.sharing.nodes.registry import Registry

# Of a run of a node: more workers than it may have.
_WORKERS = 1 << 12


class Duty(Protocol):
    """What one process has to report on."""

    @property
    def is_shared(self) -> bool:
        """Whether another one may have reported meanwhile."""

    @property
    def worker(self) -> int:
        """By which number it is known again what was asked of this process."""

    def has(self, worker: int) -> bool:
        """Whether what was asked of a worker is for it to take up. Raises ResourceError."""

    def may_report(self, worker: int) -> bool:
        """Whether it is for it to report on now, and for no other. Raises ResourceError."""


@dataclass(frozen=True)
class OfWorker:
    """That of a worker of a node without others; the first has those of workers no more."""

    worker: int
    workers: int
    is_shared = False

    def has(self, worker: int) -> bool:
        """See `Duty`."""
        return (worker if worker < self.workers else 0) == self.worker

    def may_report(self, worker: int) -> bool:
        """See `Duty`."""
        return True


class OfRun:
    """That of a worker of one node of several, for as long as the others know that it serves."""

    is_shared = True

    def __init__(self, registry: Registry, run: int, own: int) -> None:
        self._registry, self._run = registry, run
        self.worker = run * _WORKERS + own

    def has(self, worker: int) -> bool:
        """See `Duty`."""
        return worker == self.worker

    def may_report(self, worker: int) -> bool:
        """See `Duty`."""
        return self._registry.is_living(self._run)


class OfGoneRuns:
    """That of the one node of several that has the job to report for those that are gone."""

    is_shared = True
    worker = 0  # nobody asks it itself

    def __init__(self, registry: Registry, lease: Lease) -> None:
        self._registry, self._lease = registry, lease

    def has(self, worker: int) -> bool:
        """See `Duty`."""
        return not self._registry.is_living(worker // _WORKERS)

    def may_report(self, worker: int) -> bool:
        """See `Duty`."""
        return self._lease.is_held and self.has(worker)
