"""What the services of one worker share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynetdicom.ae import ApplicationEntity

from scp.settings import Settings
from scp.slots import Slots
from storage import Archive

if TYPE_CHECKING:
    from scp.commitment import Reporter


@dataclass(frozen=True)
class Node:
    """The settings in force, the archive, the application entity, the slots, and the reporter."""

    settings: Settings
    archive: Archive
    entity: ApplicationEntity
    slots: Slots
    reporter: "Reporter"
