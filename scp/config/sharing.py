"""The archive that [index] and [store] name, as `storage` takes it, with the keys of its store."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from scp.config.loader import ConfigError, load
from scp.config.schema import Settings

if TYPE_CHECKING:  # loaded where a node has one
    from storage import ArchiveReader
    from storage.sharing.place import SharedPlace

_NAMES = ("access_key", "secret_key")


def place_of(settings: Settings) -> "SharedPlace | None":
    """Where the archive lies that the node shares with others; None: it has one of its own.

    Raises ConfigError where the keys of its store cannot be read.
    """
    index, store = settings.index, settings.store
    if not (index and store):
        return None
    from storage.sharing.place import SharedPlace, StorePlace

    access_key, secret_key = _keys(settings, store.keys) if store.keys else ("", "")
    place = StorePlace(
        store.url, store.endpoint or "", store.region, access_key, secret_key, store.cache,
        store.cache_bytes,
    )  # fmt: skip
    return SharedPlace(index.url, place, index.schema_name)


def share(settings: Settings, place: "SharedPlace | None") -> None:
    """Have the archive of this process, and of those that it forks, lie there."""
    if place:
        from storage.sharing import opened

        opened.share(settings.storage.path, place)


def open_archive(path: Path | str) -> "ArchiveReader":
    """Open the archive of a configuration to read it, beside its nodes or without any.

    See `storage.open_archive`. Raises ConfigError, ArchiveError.
    """
    from storage import open_archive

    settings = load(Path(path))
    place = place_of(settings)
    return open_archive(place or settings.storage.path, settings.storage.charset)


def _keys(settings: Settings, path: Path) -> tuple[str, str]:
    """The two keys of a file; what it holds is in no words of what is wrong with it."""
    where = f"{settings.source}: [store] keys: {path}"
    try:
        found = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from error
    except ValueError:
        raise ConfigError(f"{where}: not TOML") from None
    faults = [
        f"{where}: {name}: missing; takes a text"
        for name in _NAMES
        if not (isinstance(found.get(name), str) and found[name])
    ]
    faults += [
        f"{where}: {name}: unknown key; it takes {' and '.join(_NAMES)}"
        for name in found
        if name not in _NAMES
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    return found["access_key"], found["secret_key"]
