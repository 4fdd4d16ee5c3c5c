"""Studies that no rule takes, and that the rules may have again."""

from scp.node.acts.actor import Actor
from storage import Archive
from storage.journal import pins


def pin(actor: Actor, archive: Archive, study: str, instances: int) -> None:
    """Have a study stay. Raises ResourceError."""
    pins.pin(archive.journal, study)
    actor.tell("pin", studies=[study], instances=instances)


def unpin(actor: Actor, archive: Archive, study: str) -> None:
    """Let the rules have a study again. Raises ResourceError."""
    pins.unpin(archive.journal, study)
    actor.tell("unpin", studies=[study])
