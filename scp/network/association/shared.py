"""What the services of one worker share."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from pynetdicom.ae import ApplicationEntity

from scp.config import Settings
from scp.network.association.application_entity import ServiceUsers
from scp.network.association.counters import Counters
from scp.network.association.remembered import Negotiations
from scp.network.tls import Contexts
from scp.runtime import AssociationSlots, AuditTrail
from storage import Archive
from storage.journal import Commitment
from storage.worklist import Worklist


class CommitmentReporter(Protocol):
    """Keeps the promises of storage commitment."""

    settings: Settings
    tls: Contexts

    @property
    def worker(self) -> int:
        """By which number it is known again what was asked of this worker."""

    def report(self, commitment: Commitment, request: Any) -> None:
        """Report on one; `request` is the one that asked, on whose association it may be made."""


@dataclass(frozen=True)
class WorkerContext:
    """What is in force, and what is open: one for all associations."""

    settings: Settings
    archive: Archive
    entity: ApplicationEntity
    slots: AssociationSlots
    reporter: CommitmentReporter
    audit: AuditTrail
    tls: Contexts
    counters: Counters
    # Never carried over: `replace` makes a new one, so that what was agreed on under other
    # settings is forgotten.
    negotiations: Negotiations = field(default_factory=Negotiations, init=False)

    @cached_property
    def worklist(self) -> Worklist:
        """What [worklist] serves; opened when it is asked for."""
        data, settings = self.archive.tree.data, self.settings
        charset = settings.storage.charset
        return Worklist(data, self.archive.journal, settings.worklist_folder, charset)

    @cached_property
    def users(self) -> ServiceUsers:
        """Who takes part in an association, as configured."""
        return ServiceUsers(self.entity, self.settings.limits.pdu_bytes)
