"""Measure what asks the journal of years: a start, N-ACTIONs, corrections, retention and the like.

The journal is made up, as the node writes it: so many studies a day for so many years, each with
receipts of its instances, a commitment that was reported, and now and then a pin or a correction.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import Archive, prepare
from storage.archive import commitments
from storage.dicom.values.attributes import Level
from storage.files.tree import Tree
from storage.index.engines.sqlite.high_water import fault_of_marks
from storage.journal import commitments as commitment_lines
from storage.journal import pins, receipt_catalogue
from storage.journal.commitments import Commitment
from storage.journal.corrections.in_effect import in_force
from storage.journal.journal import COMMITMENTS, CORRECTIONS, PINS, RECEIPTS, Journal
from storage.journal.segments.reader import SEGMENT_BYTES
from storage.maintenance.changes.correction import catch_up_corrections, correct, undo
from storage.maintenance.recovery.replay import is_settled, settle_index

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
    parser.add_argument("--corrections", type=int, default=2000, metavar="N", help="a year")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-"))
    try:
        studies = int(given.years * 365 * given.studies)
        _fill(folder / "data", studies, given.studies, given.instances)
        corrections = int(given.years * given.corrections)
        _measure_corrections(folder / "data", studies, corrections)
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


def _fill_corrections(data: Path, studies: int, corrections: int) -> None:
    """Names of studies, and every fourth a patient that is of another from then on."""
    file = _File(data / "journal", CORRECTIONS)
    for number in range(1, corrections + 1):
        what = {"level": "STUDY", "key": f"{_ROOT}.{number * studies // corrections}",
                "values": {"PatientName": f"Doe^Jane{number}", "PatientSex": "F"}}  # fmt: skip
        if number % 4 == 0:
            what = {"level": "PATIENT", "key": f"P{number}",
                    "values": {"PatientID": f"Q{number}", "PatientName": "Doe^Jane"}}  # fmt: skip
        file.add(at=_BEGAN.isoformat(), number=number, **what, before={"PatientName": ["Do^Jan"]},
                 user="admin", reason="typing error", merge=number % 4 == 0)  # fmt: skip
    file.end()
    print(f"journal/{CORRECTIONS}: {file.start / 1e6:,.0f} MB of {corrections:,} corrections")


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
    settle_index(data)
    _timed("start: is the index that of the journal, and up to it", lambda: _begin(data))
    _timed("start of a worker: commitments that have not ended",
           lambda: commitment_lines.unfinished(archive.journal, 0, 2))  # fmt: skip
    _timed("N-ACTION written down", *(lambda n=n: _ask(archive, n) for n in range(1, 6)))
    _timed("pin", *(lambda n=n: pins.pin(archive.journal, f"{_ROOT}.{n}") for n in range(5)))
    _timed("list of pins", lambda: pins.pinned(archive.journal))
    somewhere = [f"{_ROOT}.{studies * n // 7}" for n in range(1, 6)]
    _timed("restore: receipts of a study", *(lambda s=s: _receipts(archive, s) for s in somewhere))
    _timed("retention: times of all studies", lambda: receipt_catalogue.arrivals(archive.journal))
    size = (data / "journal" / "catalogue.sqlite").stat().st_size
    print(f"catalogue: {size / 1e6:,.0f} MB")
    archive.index.database.close_all()


def _measure_corrections(data: Path, studies: int, corrections: int) -> None:
    """What a store asks, for which `changes` is called, before and after there are any."""
    tree = Tree(data, sync=True)
    uids = (f"{_ROOT}.1", f"{_ROOT}.1.1", f"{_ROOT}.1.1.1")
    look = [lambda: in_force(data).changes(uids, "P1")] * 1000
    _timed("store: look-up with no correction", *look, unit="us")
    _fill_corrections(data, studies, corrections)
    _timed("first look of all at the corrections", lambda: _in_another_process(data))
    _timed("first look of a process", *[lambda: _in_another_process(data)] * 5)
    _timed("(a process that does not look)", *[lambda: _in_another_process(None)] * 5)
    _timed("store: look-up that finds none", *look, unit="us")
    merged = [lambda: in_force(data).changes(uids, "P4")] * 1000
    _timed("store: look-up that finds one", *merged, unit="us")
    told = {"user": "admin", "before": {}}
    catch_up_corrections(data)
    _timed("a new correction, of what is not held",
           *(lambda n=n: correct(tree, (Level.STUDY, f"1.{n}"), {"PatientName": "A"}, **told)
             for n in range(5)))  # fmt: skip
    _timed("undone", *(lambda n=n: undo(tree, n, "admin") for n in range(1, 6)))


def _in_another_process(data: Path | None) -> None:
    """Have it look once."""
    process = os.fork()
    if not process:
        if data:
            in_force(data).changes(("1", "2", "3"), "P1")
        os._exit(0)
    os.waitpid(process, 0)


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


def _timed(what: str, *calls: Callable[[], object], unit: str = "ms") -> None:
    """Print the median of what some calls take."""
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    scale = {"ms": 1e3, "us": 1e6}[unit]
    print(f"{what:55} {sorted(taken)[len(taken) // 2] * scale:12,.1f} {unit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
