"""What the threads of the forwarding process share."""

import threading
from dataclasses import dataclass, field

from scp.config import Settings
from scp.copies.corrected import AsCorrected
from scp.network.scu import Origin, Originator
from scp.network.tls import Contexts
from scp.runtime import AuditTrail
from storage import Archive
from storage.outbox import Outbox

_UNASKED = Originator("", 0, 0, named=False)


@dataclass(frozen=True)
class ForwardingContext:
    """What is in force, and what is open; `stopped` is set when no more is to be sent.

    `followed` is set once the journal was followed to its end.
    """

    settings: Settings
    tls: Contexts
    archive: Archive
    outbox: Outbox
    audit: AuditTrail
    stopped: threading.Event = field(default_factory=threading.Event)
    followed: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> Origin:
        """What is sent from: in nobody's name."""
        copies = AsCorrected(self.archive.tree, self.settings.node.ae_title)
        return Origin(self.settings, self.tls, copies, _UNASKED)
