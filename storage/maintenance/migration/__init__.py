"""An archive brought elsewhere, from a folder to where several nodes have it or back."""

from storage.maintenance.migration.migrating import Migrated, migrate
from storage.maintenance.migration.surveying import survey
from storage.maintenance.migration.targets import living_nodes, prepared_target

__all__ = [
    "Migrated",
    "living_nodes",
    "migrate",
    "prepared_target",
    "survey",
]
