"""What the services of one worker share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynetdicom.ae import ApplicationEntity

from scp.audit import Audit
from scp.counters import Counters
from scp.settings import Settings
from scp.slots import Slots
from scp.tls import Contexts
from storage import Archive

if TYPE_CHECKING:
    from scp.commitment import Reporter


@dataclass(frozen=True)
class Node:
    """What is in force, and what is open: one for all associations."""

    settings: Settings
    archive: Archive
    entity: ApplicationEntity
    slots: Slots
    reporter: "Reporter"
    audit: Audit
    tls: Contexts
    counters: Counters
