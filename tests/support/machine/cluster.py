"""Engines that nodes share, and nodes of one archive in them, all on 127.0.0.1."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import tomlkit

from support.machine.postgres import ScratchPostgres, running_postgres
from support.machine.seaweed import ACCESS_KEY, SECRET_KEY, ScratchSeaweed, running_seaweed
from support.node import Code, RunningNode, running_node

BUCKET = "archives"
# For nodes of tests in which a store is gone: so long they wait for it.
IMPATIENT = {
    "storage.files.objects.s3.Bucket.__init__.__defaults__": Code(
        "('', 'us-east-1', storage.files.objects.s3.Patience(3, 10, 20, 1, 1))"
    ),
    "scp.web.monitoring.engine_watch.LOOK_SECONDS": 0.5,
}


class Engines:
    """A PostgreSQL and an object store, in which each archive has a schema and a prefix."""

    def __init__(self, folder: Path, postgres: ScratchPostgres, store: ScratchSeaweed) -> None:
        self.postgres, self.store = postgres, store
        store.make_bucket(BUCKET)
        self.keys = folder / "store-keys.toml"
        self.keys.touch(0o600)
        self.keys.write_text(tomlkit.dumps({"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}))

    def tables(self, archive: str, **of_store: Any) -> dict[str, dict[str, Any]]:
        """[index] and [store] of an archive."""
        store = {
            "url": f"s3://{BUCKET}/{archive}", "endpoint": self.store.endpoint,
            "keys": str(self.keys), **of_store,
        }  # fmt: skip
        return {"index": {"url": self.postgres.url, "schema": archive}, "store": store}


@contextmanager
def running_engines(folder: Path, durable: bool = False) -> Iterator[Engines]:
    """Both for the time of the block; `folder` is for the keys of the store."""
    with running_postgres(durable) as postgres, running_seaweed() as store:
        yield Engines(folder, postgres, store)


def new_archive() -> str:
    """The name of one that there is not yet."""
    return f"a{uuid4().hex[:12]}"


@contextmanager
def running_nodes(
    engines: Engines, folder: Path, count: int = 2, archive: str = "", url: str = "",
    **tables: Mapping[str, Any],
) -> Iterator[list[RunningNode]]:  # fmt: skip
    """Nodes of one archive, which is new where none is named; each ends as one that is well.

    `url`: of the database, where that is not the one of `engines` alone.
    """
    shared = engines.tables(archive or new_archive())
    if url:
        shared["index"]["url"] = url
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running_node(folder / f"node{number}", {**shared, **tables}, IMPATIENT)
            )
            for number in range(1, count + 1)
        ]
