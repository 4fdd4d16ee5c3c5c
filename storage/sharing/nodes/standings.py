"""How an archive that several nodes have stands: whether its engines answer, who serves, who does
what one has to do.
"""

from dataclasses import dataclass, field
from pathlib import Path

from storage.diagnostics import ArchiveError
from storage.sharing.answering import SharedEngine, faults_of
from storage.sharing.nodes.leases import Jobs
from storage.sharing.nodes.opening import schema_of
from storage.sharing.nodes.registry import Registry


@dataclass(frozen=True)
class NodeStanding:
    """A node: `serves` as far as is known, `age` is for how many seconds it was not heard of.

    `jobs`: what it does of what one of all nodes does at a time.
    """

    name: str
    version: str
    serves: bool
    age: float
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArchiveStanding:
    """`engines`: why each does not answer, empty where it does. Of one that is gone nodes are none.

    `jobs`: who has each by name; one that is in no list of nodes any more by its id.
    """

    engines: dict[SharedEngine, str] = field(default_factory=dict)
    nodes: tuple[NodeStanding, ...] = ()
    jobs: dict[str, str] = field(default_factory=dict)


def standing_of(data: Path, seconds: float | None = None) -> ArchiveStanding | None:
    """That of the archive of a data folder; None where it has one node.

    Looked at now: engines for so many seconds, or for as long as one that is gone is waited for.
    """
    schema = schema_of(data, "The table of nodes")
    if schema is None:
        return None
    engines = faults_of(data, seconds)
    if engines[SharedEngine.DATABASE]:
        return ArchiveStanding(engines)
    registry = Registry(schema)
    try:
        if not registry.is_made():
            return ArchiveStanding(engines)
        seen, holders = registry.all(), Jobs(schema, "").holders()
    except ArchiveError as error:
        return ArchiveStanding({**engines, SharedEngine.DATABASE: str(error)})
    names = {one.node.id: one.node.name for one in seen}
    nodes = tuple(
        NodeStanding(
            one.node.name, one.node.version, one.is_living, one.age,
            tuple(job for job, holder in holders.items() if holder == one.node.id),
        )
        for one in sorted(seen, key=lambda one: one.node.name)
    )  # fmt: skip
    return ArchiveStanding(
        engines, nodes, {job: names.get(holder, holder) for job, holder in holders.items()}
    )
