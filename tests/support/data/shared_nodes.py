"""Nodes of one archive, as far as their settings and folders go."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from scp.config import Settings, loader
from storage import prepare
from storage.sharing.nodes import schema_of
from storage.sharing.opened import share
from storage.sharing.place import SharedPlace, StorePlace
from support.machine.postgres import ScratchPostgres

CHARSET = "ISO_IR 100"


def new_place(postgres: ScratchPostgres, folder: Path) -> SharedPlace:
    """A place for an archive of its own, whose objects lie below a folder."""
    objects = folder / "objects"
    objects.mkdir()
    return SharedPlace(postgres.url, StorePlace(f"file://{objects}"), f"archive_{uuid4().hex[:12]}")


def new_node(folder: Path, place: SharedPlace, tables: dict[str, Any]) -> Settings:
    """The settings of a node of an archive, whose folder is made and prepared."""
    folder.mkdir()
    document = {"storage": {"path": "data"}, "audit": {"enabled": False}, **tables}
    settings = loader.checked(document, folder / "config.toml")
    share(settings.storage.path, place)
    prepare(settings.storage.path, sync=True, charset=CHARSET)
    schema = schema_of(settings.storage.path, "The table of nodes")
    assert schema
    schema.make()
    return settings
