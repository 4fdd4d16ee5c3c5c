"""Measure DICOMweb: the node and Orthanc, side by side, hold the same and are asked the same."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from lib.bench_options import chosen, folder, parser, peers
from lib.bench_programs import MissingError, load
from lib.bench_rounds import FAILURES, Results, Row, Session, Values, say
from lib.bench_servers import Server, cleared_at_the_end, running, settle
from lib.bench_summary import Target, as_json, failures, table
from lib.bench_web.client import wait
from lib.bench_web.held import Held
from lib.bench_web.peers import WEB_PEERS
from lib.bench_web.requests import REQUESTS, Memory
from lib.bench_web.stores import STORES

_NOTES = (
    "Of each request the median of its repeats counts, and of the runs their median; connections",
    "stay open, over loopback. CPU is that of all processes of a server.",
)


class Case(Protocol):
    """A kind of request."""

    key: str
    limit: float  # of Orthanc's figure

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its lines of the results."""

    def measure(self, server: Server, held: Held) -> Values:
        """The figures of a run. Raises as FAILURES."""


_CASES: Sequence[Case] = (*REQUESTS, *STORES, Memory())


def main() -> int:
    """Load, ask, print. Returns 0, or 2 where that was not possible."""
    options = _options()
    cases = [one for one in _CASES if one.key in options.cases]
    try:
        return _run(options, cases)
    except (MissingError, *FAILURES) as error:
        say(f"bench-web: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, cases: Sequence[Case]) -> int:
    found, notes = peers(options.peers, WEB_PEERS)
    results, before = Results(), load()
    with folder(options.keep) as files, cleared_at_the_end(), ExitStack() as stack:
        session = Session(files, found, options.runs, results)
        held = Held.of(files, options.scale)
        servers = [stack.enter_context(running(peer)) for peer in found]
        for server in servers:
            held.store(server)
            wait(server)
        for case in cases:
            say(f"{case.key}: {case.rows[0].label.strip()}")
            _measure(session, case, servers, held)
    notes.append(f"The machine's load in a minute: {before} before, {load()} after.")
    rows = [row for case in cases for row in case.rows]
    targets, failed = list(_targets(cases, results)), list(failures(rows, results))
    if options.json:
        print(json.dumps(as_json(rows, results, targets, [*notes, *failed]), indent=2))
    else:
        blocks = [list(table(rows, found, results)), [*_NOTES, *failed], notes, map(str, targets)]
        print("\n\n".join("\n".join(block) for block in blocks if block))
    return 2 if any(results.median(row.key, found[0].name) is None for row in rows) else 0


def _measure(session: Session, case: Case, servers: Sequence[Server], held: Held) -> None:
    """A run of each server, then the next run."""
    for _ in range(session.runs):
        settle()
        for server in servers:
            rows = [row.key for row in case.rows]
            session.attempt(rows, server.name, partial(case.measure, server, held))


def _targets(cases: Sequence[Case], results: Results) -> Iterator[Target]:
    for case in cases:
        sentence = f"{case.key}: at most {case.limit:.2f} of Orthanc's"
        yield Target(sentence, results.ratio(case.key, "node", "orthanc"), case.limit)


def _options() -> argparse.Namespace:
    keys = [one.key for one in _CASES]
    made = parser("bench-web", __doc__, WEB_PEERS)
    made.add_argument(
        "--cases", type=lambda text: chosen(text, keys), default=keys, metavar="CASE,...",
        help=f"cases to measure (default: {','.join(keys)})",
    )  # fmt: skip
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
