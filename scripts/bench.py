"""Measure storing, finding and moving: the node and other servers, with DCMTK's clients."""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator

from lib.bench_fill import NotOursError
from lib.bench_images import CT, SMALL
from lib.bench_options import chosen, folder, parser, peers
from lib.bench_profile import profile
from lib.bench_programs import MissingError
from lib.bench_rounds import FAILURES, Case, Results, Session, say
from lib.bench_stores import cases
from lib.bench_summary import Target, as_json, failures, table
from peewee import PeeweeException

from storage.diagnostics.errors import ArchiveError

_OF_ORTHANC = {"A": 0.6, "B": 0.85, "CA": 0.85, "CB": 0.85, "D": 0.15, "E": 0.6, "G": 1, "H": 1}
_OF_DCMQRSCP = ("A", "BN", "CA", "CB", "D", "E")
_NOTES = (
    "Every program runs with TCP_NODELAY=1, in D the client without; the others than the node with",
    "PDUs of 128 KiB. In E the client's PDUs are made before; in EP storescu takes its time to",
    "start, which counts in all other cases too, as that of findscu, echoscu and movescu does.",
)
_PEAK_MB, _FILLED_RATIO = 250, 1.2
_IMPOSSIBLE = (
    *FAILURES, ArchiveError, MissingError, NotOursError, PeeweeException, sqlite3.Error,
)  # fmt: skip


def main() -> int:
    """Measure and print. Returns 0, or 2 where that was not possible."""
    options = _options()
    chosen_cases = [case for case in cases(options.scale) if case.key in options.case]
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
    with folder(options.keep) as files:
        for number, recipe in enumerate((SMALL, CT)):
            print("\n" * number + "\n".join(profile(recipe.scaled(options.scale), files)))
    return 0


def _run(options: argparse.Namespace, chosen_cases: list[Case]) -> int:
    found, notes = peers(options.peers)
    results, runs = Results(), 1 if options.quick else options.runs
    with folder(options.keep) as files:
        for case in chosen_cases:
            say(f"{case.key}: {', '.join(row.label.strip() for row in case.rows)}")
            session = Session(files, found, runs, results)
            case.measure(session, tuple(row.key for row in case.rows))
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
    if "I" in measured:
        full, empty = results.median("I", "node"), results.median("IE", "node")
        ratio = full / empty if full is not None and empty else None
        sentence = f"I: at most {_FILLED_RATIO} of the time with an empty index"
        yield Target(sentence, ratio, _FILLED_RATIO)


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
    made.add_argument("--quick", action="store_true", help="one run of each")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
