"""What nodes know of each other, of the archive of a data folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.sharing.nodes.leases import Jobs
from storage.sharing.nodes.registry import Registry, node_id
from storage.sharing.nodes.schema import Schema
from storage.sharing.place import shared_place


def schema_of(data: Path, what: str) -> Schema | None:
    """Where that lies; None where the archive has one node. `what` is it that is told of.

    The tables are made by the first node that is entered, or makes a queue.
    Raises ResourceError.
    """
    place = shared_place(data)
    return Schema(place.index_url, f"{place.schema}_jobs", what) if place else None


def jobs_of(data: Path) -> Jobs | None:
    """The jobs of the archive, for this node; None where it has no other.

    Raises ResourceError, OSError.
    """
    schema = schema_of(data, "The jobs of the nodes")
    return Jobs(schema, node_id(data)) if schema else None


def registry_of(data: Path) -> Registry | None:
    """The nodes of the archive; None where it has one. Raises ResourceError."""
    schema = schema_of(data, "The table of nodes")
    return Registry(schema) if schema else None


@contextmanager
def turn(data: Path, job: str, every: float) -> Iterator[bool]:
    """Do a job that one node does each `every` seconds: whether it is for this one to do now.

    It is, where there is no other. The process ends where another takes the job within the block.
    Raises ResourceError.
    """
    jobs = jobs_of(data)
    lease = jobs.take(job, every) if jobs else None
    if lease is None:
        yield jobs is None
        return
    with lease, lease.or_end():
        yield True
        lease.note_done()
