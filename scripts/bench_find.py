"""Measure queries inside the archive, on an index of a million instances and on a small one."""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lib import bench_corpus as corpus
from lib.bench_cases import CASES, NoAnswerError, Result, measure
from lib.bench_fill import NotOursError, filled
from lib.bench_report import (
    as_json,
    engine_targets,
    engines_as_json,
    engines_table,
    table,
    targets,
)
from peewee import PeeweeException

from storage import Archive
from storage.diagnostics.errors import ArchiveError

_STUDIES, _FEW_STUDIES, _RUNS = 20_000, 200, 50
_LONG_SHARE, _LEAST_RUNS = 10, 3
_FAILURES = (
    ArchiveError, NoAnswerError, NotOursError, OSError, PeeweeException, sqlite3.Error,
    subprocess.CalledProcessError,
)  # fmt: skip


def main() -> int:
    """Fill, measure, print. Returns 0, or 2 where that was not possible."""
    options = _options()
    try:
        if options.keep:
            _run(options, options.keep)
        else:
            with tempfile.TemporaryDirectory(prefix="bench-find-") as folder:
                _run(options, Path(folder))
    except _FAILURES as error:
        _say(f"bench-find: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace, folder: Path) -> None:
    if options.postgres:
        _run_beside_postgres(options, folder)
        return
    sizes = (options.studies, _FEW_STUDIES)
    data = [_fill(folder, studies) for studies in sizes]
    archives = [(Archive(d, sync=False), n) for d, n in zip(data, sizes, strict=True)]
    results = list(_results(archives, options.runs))
    memory = _memory_mb(data[0])
    if options.json:
        print(json.dumps(as_json(results, sizes, memory), indent=2))
        return
    print("\n".join(table(results, sizes)))
    print(f"\npeak memory of a process that asks for all studies: {memory:.0f} MB\n")
    print("\n".join(map(str, targets(results, memory))))


def _run_beside_postgres(options: argparse.Namespace, folder: Path) -> None:
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from lib.bench_postgres import in_postgres

    data = _fill(folder, options.studies)
    with tempfile.TemporaryDirectory(prefix="bench-find-postgres-") as name:
        beside = Path(name)
        beside.chmod(0o755)  # the server is another user
        with in_postgres(data, beside) as archive:
            _say("copied to PostgreSQL")
            pair = [(archive, options.studies), (Archive(data, sync=False), options.studies)]
            results = list(_results(pair, options.runs))
    if options.json:
        print(json.dumps(engines_as_json(results), indent=2))
        return
    print("\n".join(engines_table(results, options.studies)), end="\n\n")
    print("\n".join(map(str, engine_targets(results))))


def _fill(folder: Path, studies: int) -> Path:
    started = time.monotonic()
    data = filled(folder, studies)
    _say(f"{data}: ready in {time.monotonic() - started:.1f} s")
    return data


def _results(archives: list[tuple[Archive, int]], runs: int) -> Iterator[Result]:
    for case in CASES:
        _say(f"measuring: {case.name}")
        few = max(runs // _LONG_SHARE, _LEAST_RUNS)
        large, small = measure(case, archives, few if case.is_long else runs)
        yield Result(case, large, small)


def _memory_mb(data: Path) -> float:
    """The peak memory of a fresh process that answers the query for all studies."""
    command = [sys.executable, "-m", "lib.bench_memory", str(data.resolve())]
    here = Path(__file__).parent
    done = subprocess.run(command, cwd=here, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-find", description=__doc__)
    parser.add_argument(
        "--studies", type=_studies, default=_STUDIES, metavar="N",
        help=f"studies in the large index, of {corpus.IMAGES_A_STUDY} instances on average: a "
        f"multiple of {corpus.STUDIES_A_DAY} (default: {_STUDIES}, in 0.5 GB)",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=_positive, default=_RUNS, metavar="N",
        help=f"runs of a query; for all studies one in {_LONG_SHARE} of them (default: {_RUNS})",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep the indexes there, and use them again (default: a temporary folder)",
    )  # fmt: skip
    parser.add_argument(
        "--postgres", action="store_true",
        help="measure the large index beside the same rows in a PostgreSQL of its own "
        "(Debian's postgresql), in turn",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def _studies(text: str) -> int:
    number = _positive(text)
    if number % corpus.STUDIES_A_DAY:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of {corpus.STUDIES_A_DAY}")
    return number


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
