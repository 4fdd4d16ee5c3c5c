"""The nodes of one archive: who they are, and which of them does what one has to do."""

from storage.sharing.nodes import leases, registry
from storage.sharing.nodes.duties import Duty, OfGoneRuns, OfRun, OfWorker
from storage.sharing.nodes.leases import LOOK_SECONDS, Jobs, Lease, LeaseLostError
from storage.sharing.nodes.opening import jobs_of, registry_of, schema_of, turn
from storage.sharing.nodes.registry import Node, Registry, new_run, node_id
from storage.sharing.nodes.schema import Schema
from storage.sharing.nodes.standings import ArchiveStanding, standing_of

__all__ = [
    "LOOK_SECONDS",
    "ArchiveStanding",
    "Duty",
    "Jobs",
    "Lease",
    "LeaseLostError",
    "Node",
    "OfGoneRuns",
    "OfRun",
    "OfWorker",
    "Registry",
    "Schema",
    "jobs_of",
    "leases",
    "new_run",
    "node_id",
    "registry",
    "registry_of",
    "schema_of",
    "standing_of",
    "turn",
]
