"""This node as one of several that serve an archive: entered, told to the others, and on duty.

Which of them reports on what was asked of one that is gone, it has by lease.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from scp.config import Settings
from scp.forwarding import leave_queue
from scp.network.association import Counters
from scp.network.services import Reporter
from scp.network.tls import contexts
from scp.runtime import Attempts, log
from storage import Archive
from storage.sharing.nodes import (
    Jobs,
    Lease,
    LeaseLostError,
    Node,
    OfGoneRuns,
    Registry,
    jobs_of,
    node_id,
    registry,
    registry_of,
)

logger = logging.getLogger(__name__)

JOB = "commitments"
# What has to be the same on all nodes: what becomes of what is sent, whichever takes it, and what
# is done by the one that has the job. The others are each node's own.
_VALUES = (
    ("node", "ae_title"), ("storage", "on_conflict"), ("storage", "charset"),
    ("storage", "superseded_copies"), ("storage", "superseded_percent"),
)  # fmt: skip
_TABLES: Mapping[str, str] = {
    "peers": "[peers]", "forward": "[[forward]]", "retention": "[retention]", "query": "[query]",
    "worklist": "[worklist]",
}  # fmt: skip
_OWN = {"fhir_token"}  # a file of each node's
_DIGEST = 16
# How long what is under way is waited for before the others are told that this node is gone.
_LEAVE_SECONDS = 2.0


def node_of(settings: Settings) -> Node:
    """The node as it tells of itself. Raises OSError."""
    node = settings.node
    name = f"{node.ae_title}@{node.host}:{node.port}"
    return Node(node_id(settings.storage.path), name, version("minipacs"), held_alike(settings))


def held_alike(settings: Settings) -> dict[str, str]:
    """The settings that have to be the same on all nodes, by their keys; tables as digests."""
    given = settings.model_dump()
    found = {f"[{table}] {key}": str(given[table][key]) for table, key in _VALUES}
    for name, header in _TABLES.items():
        text = json.dumps(_plain(given[name]), sort_keys=True)
        found[header] = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return found


def _plain(given: Any) -> Any:
    """What a table has, the same in each process."""
    if isinstance(given, Mapping):
        return {str(key): _plain(one) for key, one in given.items() if key not in _OWN}
    if isinstance(given, frozenset | set):
        return sorted(str(one) for one in given)
    if isinstance(given, list | tuple):
        return [_plain(one) for one in given]
    return given if isinstance(given, bool | int | float | str | None) else str(given)


def enter(settings: Settings, run: int) -> None:
    """Have the node be one of the archive's. Raises FolderError, ResourceError, OSError."""
    nodes = registry_of(settings.storage.path)
    assert nodes
    nodes.enter(node_of(settings), run)


class Membership:
    """Of the process that sees to it, in a thread of its own: what else is done may take hours."""

    def __init__(self, settings: Settings, run: int) -> None:
        """Raises OSError, ResourceError."""
        self._settings, self._run = settings, run
        nodes, jobs = registry_of(settings.storage.path), jobs_of(settings.storage.path)
        assert nodes
        assert jobs
        self._nodes, self._own = nodes, node_of(settings)
        self._gone = GoneReporter(settings, nodes, jobs)
        self._attempts = Attempts()
        self._follows = bool(settings.destinations)
        self._left = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="membership", daemon=True)

    def begin(self) -> None:
        """See to it from now on; the process ends where another node has taken what it does."""
        self._keeper.start()

    def _keep(self) -> None:
        while not self._left.wait(registry.BEAT_SECONDS):
            try:
                self.tend()
            except BaseException as error:  # as what the process itself would end with
                logger.error("upkeep begins again: %s", log.one_line(error))
                logger.debug("details", exc_info=True)
                os._exit(1)

    def tend(self) -> None:
        """Do what is due. Raises LeaseLostError: then all is to begin anew."""
        for what, work in self._works().items():
            self._attempts.attempt(what, work, None)
        self._gone.require()

    def leave(self) -> None:
        """Be none of them any more: what this node had under way is the others' at once."""
        self._left.set()
        self._keeper.join(_LEAVE_SECONDS)
        told = "the other nodes are not told"
        self._attempts.attempt(told, lambda: self._nodes.leave(self._own, self._run), None)

    def _works(self) -> dict[str, Callable[[], None]]:
        works: dict[str, Callable[[], None]] = {
            "the other nodes are not told": self._beat,
            "commitments of nodes that are gone are not reported": self._gone.tend,
        }
        if not self._follows:
            works["forwarding does not end"] = self._leave_queue
        return works

    def _beat(self) -> None:
        faults = self._nodes.beat(self._own, self._run)
        self._attempts.tell("this node is not as the others", "; ".join(faults))

    def _leave_queue(self) -> None:
        self._follows = leave_queue(self._settings)


class GoneReporter:
    """Reports on what was asked of nodes that are gone, while this one has the job."""

    def __init__(self, settings: Settings, nodes: Registry, jobs: Jobs) -> None:
        self._settings, self._nodes, self._jobs = settings, nodes, jobs
        self._lease: Lease | None = None
        self._reporter: Reporter | None = None

    def tend(self) -> None:
        """Take the job where nobody has it, and take up what is left. Raises ArchiveError."""
        if self._lease is None and (lease := self._jobs.take(JOB)):
            self._lease = lease.kept()  # until the process ends, and what is under way with it
            storage = self._settings.storage
            archive = Archive(storage.path, storage.sync)
            duty = OfGoneRuns(self._nodes, lease)
            self._reporter = Reporter(
                self._settings, archive, contexts(self._settings), Counters(1), duty
            )
        if self._reporter:
            self._reporter.resume()

    def require(self) -> None:
        """See that the job is still had, where it was taken. Raises LeaseLostError."""
        if self._lease and not self._lease.is_held:
            raise LeaseLostError(f"another node may have the job {JOB} by now")
