"""[index] and [store]: where an archive lies that several nodes have together."""

import re
from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import BeforeValidator, Field

from scp.config.table import Table, integer, takes, to_path

_DATABASE = takes(
    'the address of PostgreSQL such as "postgresql://minipacs@db1,db2/minipacs"',
    pattern=r"^postgres(ql)?://[^\s\x00-\x1F\x7F]+$",
)
_SCHEMA = takes(
    "a name of 1 to 40 small letters, digits and _, that does not begin with a digit",
    pattern="^[a-z_][a-z0-9_]{0,39}$",
    alias="schema",
)
_PLACE = takes(
    "s3://BUCKET or s3://BUCKET/PREFIX, or file:///FOLDER of a file system that all nodes have",
    pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*|file:///[^\x00-\x1F\x7F]+)$",
)
_ENDPOINT = takes(
    'the URL of a store such as "https://s3.eu-central-1.amazonaws.com"',
    pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+$",
)
_REGION = takes('a region such as "eu-central-1"', pattern="^[A-Za-z0-9-]{1,64}$")
_KEYS = takes("the path of a TOML file with access_key and secret_key")
_CACHE = takes("the path of a folder")

# What stands for a password where an address is shown.
_HIDDEN = "***"
# To the last @: a password may have one that is not written as %40.
_IN_FRONT = re.compile(r"^(postgres(?:ql)?://[^:/@?]*):.*@")
_BEHIND = re.compile(r"((?:password|passwd|pwd)\s*=)[^&\s]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """The address of a database as it may be shown."""
    return _BEHIND.sub(rf"\1{_HIDDEN}", _IN_FRONT.sub(rf"\1:{_HIDDEN}@", url))


class SharedIndex(Table):
    """The database of an archive that several nodes share; takes [store] beside it."""

    url: Annotated[str, _DATABASE] = Field(repr=False)
    schema_name: Annotated[str, _SCHEMA] = "minipacs"


class SharedStore(Table):
    """Where the instances of an archive lie that several nodes share; takes [index] beside it."""

    url: Annotated[str, _PLACE]
    endpoint: Annotated[str | None, _ENDPOINT] = None
    region: Annotated[str, _REGION] = "us-east-1"
    keys: Annotated[Path | None, BeforeValidator(to_path), _KEYS] = None
    cache: Annotated[Path | None, BeforeValidator(to_path), _CACHE] = None
    cache_bytes: Annotated[int, integer(0, unit=" (bytes)")] = 0

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set
        if self.url.startswith("file:"):
            for key in ("endpoint", "region", "keys", "cache"):
                if key in given:
                    raise ValueError(f"{key}: is for s3://, and url is {self.url}")
        else:
            for key in ("endpoint", "keys"):
                if getattr(self, key) is None:
                    raise ValueError(f"{key}: missing; takes {_described(key)} beside s3://")
        if (self.cache is None) != (self.cache_bytes == 0):
            missing = "cache" if self.cache is None else "cache_bytes"
            raise ValueError(
                f"{missing}: missing; takes cache and cache_bytes together, or neither"
            )
        return self


def _described(key: str) -> str:
    return str(SharedStore.model_fields[key].description)


def engine_places(index: SharedIndex, store: SharedStore) -> dict[str, str]:
    """Where database and store of an archive are, as it may be shown."""
    at = f" at {store.endpoint}" if store.endpoint else ""
    database = f"{without_password(index.url)}, schema {index.schema_name}"
    return {"database": database, "store": f"{store.url}{at}"}
