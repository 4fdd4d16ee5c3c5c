"""Where an archive lies that several nodes have."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StorePlace:
    """Where its objects lie: `s3://bucket/prefix` at an endpoint, or `file:///folder`.

    What was read is kept in the folder `cache`, of `cache_bytes` at most.
    """

    url: str
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    cache: Path | None = None
    cache_bytes: int = 0


@dataclass(frozen=True)
class SharedPlace:
    """The database in which all else lies, in the schemas `schema` and `schema`_index.

    The address may have a password.
    """

    index_url: str = field(repr=False)
    store: StorePlace
    schema: str = "minipacs"


_places: dict[Path, SharedPlace] = {}


def note_place(data: Path, place: SharedPlace) -> None:
    """Note where the archive of a data folder lies, for this process and those that it forks."""
    _places[data] = place


def forget_place(data: Path) -> None:
    """Forget it."""
    _places.pop(data, None)


def shared_place(data: Path) -> SharedPlace | None:
    """Where the archive of a data folder lies; None: in the folder itself."""
    return _places.get(data)
