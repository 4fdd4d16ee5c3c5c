"""Measure storing, finding and moving: the node and other servers, with DCMTK's clients."""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from lib.bench_fill import NotOursError
from lib.bench_images import CT, SMALL
from lib.bench_options import chosen, folder, parser, peers
from lib.bench_profile import profile
from lib.bench_programs import MissingError, load
from lib.bench_rounds import FAILURES, Case, Results, Session, say
from lib.bench_servers import cleared_at_the_end
from lib.bench_stores import cases
from lib.bench_summary import Target, as_json, failures, table
from peewee import PeeweeException

from storage.diagnostics.errors import ArchiveError

_OF_ORTHANC = {
    "A": 0.6, "B": 0.7, "CA": 0.7, "CB": 0.75, "D": 0.1, "E": 0.8, "EP": 1, "F": 0.25, "G": 1,
    "H": 0.85,
}  # fmt: skip
_OF_DCMQRSCP = ("A", "BN", "D", "E", "G", "H")
_CPU_MS = {"AC": (1.5, "a small store"), "EC": (4.0, "an association with one store")}
_NOTES = (
    "Every program runs with TCP_NODELAY=1, in D the client without; the others than the node with",
    "PDUs of 128 KiB. In E the client's PDUs are made before; in EP storescu takes its time to",
    "start, which counts in all other cases too, as that of findscu, echoscu and movescu does.",
)
_PEAK_MB, _FILLED_RATIO, _PLAIN_RATIO = 250, 1.2, 1.2
_IMPOSSIBLE = (
    *FAILURES, ArchiveError, MissingError, NotOursError, PeeweeException, sqlite3.Error,
)  # fmt: skip


def main() -> int:
    """Measure and print. Returns 0, or 2 where that was not possible."""
    options = _options()
    chosen_cases = [
        case for case in cases(options.scale, options.archive) if case.key in options.case
    ]
    try:
        if options.profile:
            return _profile(options)
        return _run(options, chosen_cases)
    except _IMPOSSIBLE as error:
        say(f"bench: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def _profile(options: argparse.Namespace) -> int:
    with folder(options.keep) as files, cleared_at_the_end():
        for number, recipe in enumerate((SMALL, CT)):
            print("\n" * number + "\n".join(profile(recipe.scaled(options.scale), files)))
    return 0


def _run(options: argparse.Namespace, chosen_cases: list[Case]) -> int:
    found, notes = peers(options.peers)
    results, runs = Results(), 1 if options.quick else options.runs
    before = load()
    with folder(options.keep) as files, cleared_at_the_end():
        for case in chosen_cases:
            say(f"{case.key}: {', '.join(row.label.strip() for row in case.rows)}")
            session = Session(files, found, runs, results)
            case.measure(session, tuple(row.key for row in case.rows))
    notes.append(f"The machine's load in a minute: {before} before, {load()} after.")
    rows = [row for case in chosen_cases for row in case.rows]
    held = list(_targets({row.key for row in rows}, results))
    failed = list(failures(rows, results))
    durable = [f"{peer.name}, before Success: {peer.durability}" for peer in found]
    if options.json:
        print(json.dumps(as_json(rows, results, held, [*notes, *failed, *durable]), indent=2))
    else:
        blocks = [
            list(table(rows, found, results)),
            [*_NOTES, *failed],
            [*durable, *notes],
            map(str, held),
        ]
        print("\n\n".join("\n".join(block) for block in blocks if block))
    return 2 if any(results.median(row.key, found[0].name) is None for row in rows) else 0


def _targets(measured: set[str], results: Results) -> Iterator[Target]:
    for row, limit in _OF_ORTHANC.items():
        if row in measured:
            ratio = results.ratio(row, "node", "orthanc")
            yield Target(f"{row}: at most {limit:.2f} of Orthanc's time", ratio, limit)
    for row in _OF_DCMQRSCP:
        if row in measured:
            ratio = results.ratio(row, "node", "dcmqrscp")
            yield Target(f"{row}: at most 1.00 of dcmqrscp's time", ratio, 1.0)
    if "FM" in measured:
        yield Target(f"F: at most {_PEAK_MB} MB", results.median("FM", "node"), _PEAK_MB)
        sentence = f"F: at most {_PLAIN_RATIO} of the time of dd conv=fsync"
        yield Target(sentence, _of_own(results, "F", "FD"), _PLAIN_RATIO)
    for row, (limit, words) in _CPU_MS.items():
        if row in measured:
            sentence = f"{row}: at most {limit:.1f} ms of CPU for {words}"
            yield Target(sentence, results.median(row, "node"), limit)
    if "I" in measured:
        sentence = f"I: at most {_FILLED_RATIO} of the time with an empty index"
        yield Target(sentence, _of_own(results, "I", "IE"), _FILLED_RATIO)


def _of_own(results: Results, row: str, other: str) -> float | None:
    """How many times the node's figure of another row one is."""
    mine, theirs = results.median(row, "node"), results.median(other, "node")
    return mine / theirs if mine is not None and theirs else None


def _options() -> argparse.Namespace:
    keys = [case.key for case in cases(1)]
    made = parser("bench", __doc__)
    made.add_argument(
        "--case", type=lambda text: chosen(text, keys), default=keys, metavar="CASE,...",
        help=f"cases to measure (default: {','.join(keys)})",
    )  # fmt: skip
    made.add_argument(
        "--profile", action="store_true", help="show where the time of a store goes, no more"
    )
    made.add_argument(
        "--archive", type=Path, metavar="DIR",
        help="in I, store into the archive that bench-decade --keep DIR made (default: into an "
        "index of 200,000 made-up instances)",
    )  # fmt: skip
    made.add_argument("--quick", action="store_true", help="one run of each")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
