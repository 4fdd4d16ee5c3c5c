"""Measure what asks the journal of years: a start, N-ACTIONs, a pin, a restore, retention's times.

The journal is made up, as the node writes it: so many studies a day for so many years, each with
receipts of its instances, a commitment that was reported, and now and then a pin.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import Archive, commitments, pins, prepare, receipt_catalogue
from storage.commitments import Commitment
from storage.journal import COMMITMENTS, PINS, RECEIPTS, Journal
from storage.marks import fault_of_marks
from storage.replay import is_settled, settle
from storage.segments import SEGMENT_BYTES

_CT = "1.2.840.10008.5.1.4.1.1.2"
_ROOT = "1.2.840.113619.2.55.3.604688119.868.1234567890"
_BEGAN = datetime(2021, 1, 1, tzinfo=UTC)
_PINS_EVERY = 100  # studies


def main() -> int:
    """Make the journal, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--years", type=float, default=1.0, metavar="N")
    parser.add_argument("--studies", type=int, default=300, metavar="N", help="a day")
    parser.add_argument("--instances", type=int, default=10, metavar="N", help="a study")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-"))
    try:
        studies = int(given.years * 365 * given.studies)
        _fill(folder / "data", studies, given.studies, given.instances)
        _measure(folder / "data", studies)
    finally:
        shutil.rmtree(folder)
    return 0


def _fill(data: Path, studies: int, a_day: int, instances: int) -> None:
    """The journal's files, closed at the size at which the node closes them."""
    prepare(data, sync=False, charset="")
    files = {name: _File(data / "journal", name) for name in (RECEIPTS, COMMITMENTS, PINS)}
    for number in range(studies):
        at = (_BEGAN + timedelta(days=number / a_day)).isoformat(timespec="milliseconds")
        study, digest = f"{_ROOT}.{number}", f"{number:064x}"
        references = []
        for one in range(instances):
            uids = (study, f"{study}.1", f"{study}.1.{one}")
            references.append((_CT, uids[2]))
            files[RECEIPTS].add(at=at, uids=uids, syntax="1.2.840.10008.1.2.1", bytes=525000,
                                digest=digest, sender="CT1", charset="")  # fmt: skip
        told = {"transaction": f"{study}.9", "peer": "CT1"}
        files[COMMITMENTS].add(at=at, kind="requested", **told, references=references, worker=0,
                               duplicate=False)  # fmt: skip
        files[COMMITMENTS].add(at=at, kind="ended", **told, duplicate=False, end="reported")
        if number % _PINS_EVERY == 0:
            files[PINS].add(at=at, study=study, pinned=True)
    for file in files.values():
        file.end()
        print(f"journal/{file.name}: {file.start / 1e6:,.0f} MB of {studies:,} studies")


class _File:
    """Lines of one kind, written as segments."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.start = name, 0
        self._folder, self._held = folder, bytearray()

    def add(self, **record: object) -> None:
        """Add a line."""
        self._held += f"\n{json.dumps(record, separators=(',', ':'))}\n".encode()
        if len(self._held) >= SEGMENT_BYTES:
            folder = self._folder / self.name
            folder.mkdir(exist_ok=True)
            (folder / f"{self.start:015d}.jsonl").write_bytes(self._held)
            self._forget()

    def end(self) -> None:
        """Write the rest."""
        (self._folder / f"{self.name}.jsonl").write_bytes(self._held)
        self._forget()

    def _forget(self) -> None:
        self.start += len(self._held)
        self._held.clear()


def _measure(data: Path, studies: int) -> None:
    archive = Archive(data, sync=True)
    _timed("catalogue of all receipts, made once", lambda: _all_receipts(archive))
    _timed("catalogue of all commitments, made once", lambda: _ask(archive, 0))
    settle(data)
    _timed("start: is the index that of the journal, and up to it", lambda: _begin(data))
    _timed("start of a worker: commitments that have not ended",
           lambda: commitments.unfinished(archive, 0, 2))  # fmt: skip
    _timed("N-ACTION written down", *(lambda n=n: _ask(archive, n) for n in range(1, 6)))
    _timed("pin", *(lambda n=n: pins.pin(archive.journal, f"{_ROOT}.{n}") for n in range(5)))
    _timed("list of pins", lambda: pins.pinned(archive.journal))
    somewhere = [f"{_ROOT}.{studies * n // 7}" for n in range(1, 6)]
    _timed("restore: receipts of a study", *(lambda s=s: _receipts(archive, s) for s in somewhere))
    _timed("retention: times of all studies", lambda: receipt_catalogue.arrivals(archive.journal))
    size = (data / "journal" / "catalogue.sqlite").stat().st_size
    print(f"catalogue: {size / 1e6:,.0f} MB")
    archive.index.database.close_all()


def _begin(data: Path) -> None:
    Journal(data, sync=True).prepare()
    if fault_of_marks(data) or not is_settled(data):
        sys.exit("bench-journal: the index is not up to the journal")


def _all_receipts(archive: Archive) -> None:
    receipt_catalogue.stretches(archive.journal, [])


def _ask(archive: Archive, number: int) -> None:
    references = ((_CT, f"{_ROOT}.1.1"),)
    commitments.request(archive, Commitment(f"1.9.{number}", "CT2", references, 0))


def _receipts(archive: Archive, study: str) -> None:
    found = receipt_catalogue.stretches(archive.journal, [study])
    lines = [one for start, end in found for one in archive.journal.read(RECEIPTS, start, end)]
    if not any(line["uids"][0] == study for line in lines):
        sys.exit(f"bench-journal: no receipts of {study}")


def _timed(what: str, *calls: Callable[[], object]) -> None:
    """Print the median of what some calls take."""
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    print(f"{what:55} {sorted(taken)[len(taken) // 2] * 1000:12,.1f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
