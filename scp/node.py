"""What the services of one worker share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynetdicom.ae import ApplicationEntity

from scp.audit import Audit
from scp.counters import OTHER, Counters
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
    titles: frozenset[str]  # those that are counted by name: of [peers] when the node began

    def count(self, title: str, outcome: str) -> None:
        """An association of a caller has ended, or was not had at all."""
        known = title if title in self.titles else OTHER
        self.counters.add([(("associations", known, outcome), 1)])
