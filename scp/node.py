"""What the services of one worker share."""

from dataclasses import dataclass

from pynetdicom.ae import ApplicationEntity

from scp.settings import Settings
from scp.slots import Slots
from storage import Archive


@dataclass(frozen=True)
class Node:
    """The settings in force, the archive, the application entity, and the slots."""

    settings: Settings
    archive: Archive
    entity: ApplicationEntity
    slots: Slots
