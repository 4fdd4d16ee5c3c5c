"""Measuring in turn: a round of all servers, then the next, so that noise hits all alike."""

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lib.bench_clients import ClientError
from lib.bench_peers import Peer
from lib.bench_servers import ServerError

Values = dict[str, float]  # row -> figure

# What makes a figure fail, and not the whole measurement.
FAILURES = (ClientError, ServerError, OSError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Row:
    """A line of the results."""

    key: str
    label: str
    unit: str = "s"


@dataclass
class Figures:
    """What one server came to in one row."""

    values: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        """Of the runs that did not fail."""
        return statistics.median(self.values) if self.values else None


class Results(dict[tuple[str, str], Figures]):
    """Row and server -> figures."""

    def figures(self, row: str, server: str) -> Figures:
        """Those of a server in a row, to be added to."""
        return self.setdefault((row, server), Figures())

    def median(self, row: str, server: str) -> float | None:
        """None where nothing was measured."""
        return self[row, server].median if (row, server) in self else None

    def ratio(self, row: str, server: str, other: str) -> float | None:
        """How many times the other's figure a server took; None where one was not measured."""
        mine, theirs = self.median(row, server), self.median(row, other)
        return mine / theirs if mine is not None and theirs else None


@dataclass(frozen=True)
class Session:
    """What is measured with: files, servers, how often; and where the figures go."""

    folder: Path
    peers: Sequence[Peer]
    runs: int
    results: Results

    def attempt(self, rows: Iterable[str], server: str, measure: Callable[[], Values]) -> None:
        """Note what `measure` comes to, or that it failed."""
        try:
            values = measure()
        except FAILURES as error:
            say(f"  {server}: failed: {error}")
            for row in rows:
                self.results.figures(row, server).failures.append(str(error))
            return
        say(f"  {server}: {', '.join(f'{row} {value:.3f}' for row, value in values.items())}")
        for row, value in values.items():
            self.results.figures(row, server).values.append(value)


@dataclass(frozen=True)
class Case:
    """Something to be measured: its rows, and how."""

    key: str
    rows: tuple[Row, ...]
    measure: Callable[[Session, tuple[str, ...]], None]


def in_turns(
    attempt: Callable[[Path, Peer], Values], rows_of: Mapping[Peer, tuple[str, ...]] | None = None
) -> Callable[[Session, tuple[str, ...]], None]:
    """For a Case: each run of each server by itself; `attempt` starts one and measures it.

    `rows_of` names the rows of a server that is not measured in all of them.
    """

    def measure(session: Session, rows: tuple[str, ...]) -> None:
        for run in range(session.runs):
            say(f"  run {run + 1} of {session.runs}")
            for peer in session.peers:
                mine = (rows_of or {}).get(peer, rows)
                session.attempt(mine, peer.name, partial(attempt, session.folder, peer))

    return measure


def say(text: str) -> None:
    """Tell the user how far it is."""
    print(text, file=sys.stderr, flush=True)
