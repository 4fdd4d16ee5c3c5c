"""What [[forward]] could not send, sent again."""

from scp.node.acts.actor import Actor
from storage.diagnostics import ResourceError
from storage.outbox import opened, overview


def retry(actor: Actor, title: str) -> int:
    """Have what failed of one destination, or of all, sent again; how many instances that are.

    Raises ResourceError.
    """
    storage = actor.settings.storage
    with opened(storage.path, storage.sync) as outbox:
        if outbox is None:
            raise ResourceError(f"{storage.path}: nothing was ever sent on")
        count = overview.retry(outbox, title)
    actor.tell("forward-retry", destination=title or None, instances=count)
    return count
