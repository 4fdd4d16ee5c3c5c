"""The nodes that serve an archive together: who they are, and whether they may.

Each start of one is a run, with a number of its own. A run that was not heard of for a while is
over for all others: what it had under way is another one's then.
"""

import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.diagnostics import FolderError
from storage.sharing.nodes.schema import Schema

logger = logging.getLogger(__name__)

# How often a node says that it is there, and after how long without it is taken for gone.
BEAT_SECONDS = 5.0
GONE_SECONDS = 30.0
# By how much its clock may be off: times of receipts and of attempts are by it.
CLOCK_SECONDS = 5.0
_KEEP_DAYS = 7
_ID_BYTES = 16
# So many that no two are alike, and that a number of a worker can be made of one.
_RUN_BITS = 48

_AGE = "extract(epoch FROM clock_timestamp() - seen)::float8"
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
_ALL = f"SELECT id, name, run, version, settings, {_AGE} FROM node ORDER BY name, id"
_ENTER = (
    "INSERT INTO node (id, name, run, seen, version, settings) "
    "VALUES (?, ?, ?, clock_timestamp(), ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, run = excluded.run, "
    "seen = excluded.seen, version = excluded.version, settings = excluded.settings"
)
_BEAT = (
    "UPDATE node SET seen = clock_timestamp(), settings = ? WHERE id = ? AND run = ? RETURNING 1"
)
_LEAVE = "DELETE FROM node WHERE id = ? AND run = ?"
_FORGET = f"DELETE FROM node WHERE seen < clock_timestamp() - interval '{_KEEP_DAYS} days'"
_IS_LIVING = f"SELECT 1 FROM node WHERE run = ? AND {_AGE} < ?"
_LIVING = f"SELECT run FROM node WHERE {_AGE} < ?"


@dataclass(frozen=True)
class Node:
    """A node as it tells of itself.

    `settings` are those that have to be the same for all: by their keys as the configuration has
    them, as text that shows nothing secret.
    """

    id: str
    name: str
    version: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class SeenNode:
    """One as the others see it: `run` is its last start, `age` how long it was not heard of."""

    node: Node
    run: int
    age: float

    @property
    def is_living(self) -> bool:
        """Whether it serves, as far as is known."""
        return self.age < GONE_SECONDS


def node_id(data: Path) -> str:
    """What tells the node of a data folder from others, made once. Raises OSError."""
    path = data / "node"
    while True:
        with suppress(FileNotFoundError):
            if held := path.read_text().strip():
                return held
            path.unlink(missing_ok=True)  # a power cut left it empty
        fresh = path.with_name(f"node.{os.getpid()}.new")
        fresh.write_text(f"{os.urandom(_ID_BYTES).hex()}\n")
        try:
            os.link(fresh, path)
        except FileExistsError:  # another has just made it
            pass
        finally:
            fresh.unlink()


def new_run() -> int:
    """A number that no start of any node had before."""
    return secrets.randbits(_RUN_BITS)


class Registry:
    """The table of nodes. Every method raises ResourceError."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def is_made(self) -> bool:
        """Whether there is a table: else no node has served yet."""
        return self._schema.is_made()

    def enter(self, own: Node, run: int) -> None:
        """Have a node be one of them, with a run of `new_run`.

        Raises FolderError where it may not: its clock is off, or one that serves is another kind.
        """
        self._schema.make()
        if fault := self._fault_of_clock():
            raise FolderError(fault)
        with self._schema.writing() as engine:
            if faults := [*_differences(own, self.all())]:
                raise FolderError(faults[0])
            engine.execute(_FORGET, ())
            settings = json.dumps(dict(own.settings))
            engine.execute(_ENTER, (own.id, own.name, run, own.version, settings))

    def beat(self, own: Node, run: int) -> list[str]:
        """Say that a run goes on; what is wrong with it beside the others, in words."""
        with self._schema.errors():
            settings = json.dumps(dict(own.settings))
            is_known = self._schema.engine.execute(_BEAT, (settings, own.id, run))
        faults = [self._fault_of_clock(), *_differences(own, self.all())]
        if not is_known:
            words = "another node has the id of this one, in a copy of its file `node`"
            faults.append(f"{words}: end one of them, remove the file there, and start it again")
        return [one for one in faults if one]

    def leave(self, own: Node, run: int) -> None:
        """Have it be none of them any more."""
        with self._schema.errors():
            self._schema.engine.execute(_LEAVE, (own.id, run))

    def all(self) -> list[SeenNode]:
        """Those that were heard of lately, whether they serve or not."""
        with self._schema.errors():
            rows = self._schema.engine.execute(_ALL, ())
        return [
            SeenNode(Node(id, name, version, json.loads(settings)), run, age)
            for id, name, run, version, settings, age in rows
        ]

    def is_living(self, run: int) -> bool:
        """Whether a run goes on, as far as all know."""
        with self._schema.errors():
            return bool(self._schema.engine.execute(_IS_LIVING, (run, GONE_SECONDS)))

    def living(self) -> frozenset[int]:
        """The runs that go on."""
        with self._schema.errors():
            rows = self._schema.engine.execute(_LIVING, (GONE_SECONDS,))
        return frozenset(int(run) for (run,) in rows)

    def _fault_of_clock(self) -> str:
        """What is wrong with the clock of this machine, beside that of PostgreSQL."""
        with self._schema.errors():
            before = time.time()
            told = float(self._schema.engine.execute(_CLOCK, ())[0][0])
            after = time.time()
        # It was read somewhen between the two.
        behind, ahead = told - after, before - told
        if max(behind, ahead) <= CLOCK_SECONDS:
            return ""
        words = f"{behind:.0f} s behind" if behind > 0 else f"{ahead:.0f} s ahead of"
        return f"the clock of this machine is {words} that of PostgreSQL: set both by NTP"


def _differences(own: Node, others: list[SeenNode]) -> Iterator[str]:
    """Why a node may not serve beside those that do, in a sentence for each of them."""
    for one in others:
        other = one.node
        if other.id == own.id or not one.is_living:
            continue
        if other.version != own.version:
            yield (
                f"node {other.name} serves this archive with version {other.version}, this one "
                f"has {own.version}: end all nodes of the one before the first of the other starts"
            )
        keys = own.settings.keys() | other.settings.keys()
        differing = sorted(key for key in keys if own.settings.get(key) != other.settings.get(key))
        if differing:
            named = ", ".join(differing)
            yield (
                f"node {other.name} serves this archive with other settings, {named}: these have "
                "to be the same on all of its nodes"
            )
