"""The options that the benchmarks against other servers share."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lib.bench_peers import PEERS, Peer, installed
from lib.bench_programs import MissingError, dcmtk
from lib.bench_rounds import say

_RUNS = 5
_NEEDED = ("storescu", "storescp", "movescu", "findscu", "echoscu")


def parser(
    program: str, description: str | None, known: Sequence[Peer] = PEERS
) -> argparse.ArgumentParser:
    """A parser that knows them; servers work in the temporary folder, TMPDIR moves it."""
    made = argparse.ArgumentParser(
        prog=program, description=description,
        epilog="The servers' folders are made in the temporary folder: its disk is what is "
        "measured. TMPDIR names another one.",
    )  # fmt: skip
    made.add_argument(
        "--runs", type=_positive, default=_RUNS, metavar="N",
        help=f"runs of each server, of which the median counts (default: {_RUNS})",
    )  # fmt: skip
    names = [peer.name for peer in known]
    made.add_argument(
        "--peers", type=lambda text: chosen(text, names), default=names, metavar="NAME,...",
        help=f"servers to measure (default: {','.join(names)})",
    )  # fmt: skip
    made.add_argument(
        "--scale", type=_scale, default=1.0, metavar="X",
        help="so many times the usual number of instances, for a trial (default: 1)",
    )  # fmt: skip
    made.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep the files that are sent there, and use them again (default: a temporary "
        "folder)",
    )  # fmt: skip
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return made


def chosen(text: str, known: list[str]) -> list[str]:
    """The names in a list with commas. Raises ArgumentTypeError."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
    return names


def peers(names: list[str], known: Sequence[Peer] = PEERS) -> tuple[list[Peer], list[str]]:
    """The servers that are there, and a line for each that is not. Raises MissingError."""
    for program in _NEEDED:
        dcmtk(program)
    found, missing = installed(names, known)
    for line in missing:
        say(line)
    if not found:
        raise MissingError("none of the servers is installed")
    return found, missing


@contextmanager
def folder(kept: Path | None) -> Iterator[Path]:
    """Where the files that are sent lie."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bench-files-") as name:
        yield Path(name)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def _scale(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0, and at most 100")
    return number
