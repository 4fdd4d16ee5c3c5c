"""Measure each command on a large archive of small files, beside a store every half second.

Of each: how long it takes, the most memory of one of its processes, and the longest that a store
waited for its response meanwhile. Nothing is measured of a network or of large files.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lib import bench_decade_archive as made
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context, build_role

from scp.testing import NodeProcess

_ROOT_FIND, _ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
_EVERY_SECONDS, _IDLE_SECONDS = 0.5, 10.0
_TIMEOUT_SECONDS = 3600.0
_LOOK_SECONDS = 0.02
_KEY = "InstitutionAddress"


@dataclass
class Stores:
    """A store every half second, over one association; how long each waited for its response."""

    node: NodeProcess
    waits: list[tuple[float, float]] = field(default_factory=list)  # when it began, seconds
    refused: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until it is stopped."""
        association, number = None, 0
        while not self.stopped.wait(_EVERY_SECONDS):
            if association is None or not association.is_established:
                association = _associate(self.node, build_context(made.CT, made.EXPLICIT))
            number += 1
            named = made.Named("BESIDE", "1.2.826.9", "1.2.826.9.1", f"1.2.826.9.1.{number}")
            data = dcmread(DicomBytesIO(made.data_set(named)), force=True)
            data.ensure_file_meta()
            data.file_meta.TransferSyntaxUID = made.EXPLICIT
            start = time.monotonic()
            status = association.send_c_store(data).get("Status")
            self.waits.append((start, time.monotonic() - start))
            self.refused += status != 0x0000
        if association:
            association.release()

    def longest(self, since: float) -> float:
        """Seconds of the longest wait of those that began since then, or were under way."""
        return max((took for start, took in self.waits if start + took >= since), default=0.0)


@dataclass(frozen=True)
class Measured:
    """A row of the table."""

    name: str
    seconds: float
    memory_mb: float
    longest: float
    refused: int


def main() -> int:
    """Make the archive, measure, print a table."""
    options = _options()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-decade-"))
    folder.mkdir(parents=True, exist_ok=True)
    node = NodeProcess(folder, {"node": {"workers": os.cpu_count() or 1}})
    try:
        if not node.data.exists():
            start = time.monotonic()
            made.fill(node.data, options.instances)
            rate = options.instances / (time.monotonic() - start)
            _say(f"made {options.instances:,} instances, {rate:,.0f} a second")
        _measure(node, options)
    finally:
        if node.is_running:
            node.stop()
        if not options.keep:
            shutil.rmtree(folder)
    return 0


def _measure(node: NodeProcess, options: argparse.Namespace) -> None:
    start = time.monotonic()
    node.start()
    begun = time.monotonic() - start
    stores = Stores(node)
    storing = threading.Thread(target=stores.run)
    storing.start()
    try:
        time.sleep(_IDLE_SECONDS)
        idle = [took for _, took in stores.waits]
        alone = f"{statistics.median(idle) * 1e3:.0f} ms, longest {max(idle) * 1e3:.0f} ms"
        held = f"{options.instances:,} instances, start {begun:.1f} s"
        print(f"{held}; a store beside nothing: {alone}\n")
        print("| what | seconds | memory, MB | longest wait of a store, ms | refused |")
        print("| --- | ---: | ---: | ---: | ---: |", flush=True)
        for name, work in _cases(node).items():
            if options.only and not any(one in name for one in options.only):
                continue
            row = _timed(stores, name, work)
            memory = f"{row.memory_mb:.0f}" if row.memory_mb else ""
            print(f"| {name} | {row.seconds:.1f} | {memory} | {row.longest * 1e3:.0f} | "
                  f"{row.refused} |", flush=True)  # fmt: skip
    finally:
        stores.stopped.set()
        storing.join()


def _timed(stores: Stores, name: str, work: Callable[[], float]) -> Measured:
    refused, start = stores.refused, time.monotonic()
    memory = work()
    seconds = time.monotonic() - start
    time.sleep(2 * _EVERY_SECONDS)  # for a store that was under way, and one behind it
    return Measured(name, seconds, memory, stores.longest(start), stores.refused - refused)


def _cases(node: NodeProcess) -> dict[str, Callable[[], float]]:
    """What is measured, by name; each returns megabytes, or 0."""
    backup, exported = node.folder / "backup", node.folder / "exported"

    def command(*arguments: str, codes: tuple[int, ...] = (0,)) -> Callable[[], float]:
        return lambda: _run(node, arguments, codes)

    long, many = ("--patient", made.LONG_PATIENT), ("--patient", made.MANY_PATIENT)
    one = ("--study", "1.2.826.2.1")
    name = f"PatientName=Roe^{time.time():.0f}"  # another one each time that an archive is used
    asked = (
        "find", f"StudyInstanceUID={made.LONG_STUDY}", f"{_KEY}=Street 1",
        "--level", "instance", "--uids",
    )  # fmt: skip
    return {
        "stats": command("stats"),
        "find, one study": command("find", "StudyInstanceUID=1.2.826.2.1"),
        "find, all studies": command("find", "--uids"),
        "find, key without a column": command(*asked, codes=(0, 1)),
        "index add, until it is filled": lambda: _added(node),
        "find, the same key": command(*asked, codes=(0, 1)),
        "index remove": command("index", "remove", _KEY),
        "C-FIND, long series": lambda: _find(node),
        "C-GET, long series, first": lambda: _first_of_get(node),
        "pin": command("pin", *one),
        "correct, long series": command("correct", *long, name, "--yes"),
        "correct, many studies": command("correct", *many, name, "--yes"),
        "merge-patient, long series": command(
            "merge-patient", made.LONG_PATIENT, made.MANY_PATIENT, "--yes"
        ),
        "undo, long series": lambda: _run(node, ("undo", _last_number(node), "--yes"), (0,)),
        "history": command("history", *one),
        "delete, one study": command("delete", *one, "--yes"),
        "restore, one study": command("restore", *one),
        "backup, first": command("backup", str(backup)),
        "backup, again": command("backup", str(backup)),
        "export, long series": command("export", str(exported), *long),
        "check": command("check", codes=(0, 1)),
        "rebuild": command("rebuild"),
        "delete, long series": command("delete", *long, "--yes"),
        "restore, long series": command("restore", "--study", made.LONG_STUDY),
    }  # fmt: skip


def _run(node: NodeProcess, arguments: tuple[str, ...], codes: tuple[int, ...]) -> float:
    """Run a command to its end; the most memory of one of its processes, in megabytes."""
    log = node.folder / "command.log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "scp", arguments[0], "-c", str(node.config), *arguments[1:]],
            stdin=subprocess.DEVNULL, stdout=told, stderr=told, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        most = 0.0
        while process.poll() is None:
            most = max(most, *map(_peak_mb, (process.pid, *_children(process.pid))))
            time.sleep(_LOOK_SECONDS)
    if process.returncode not in codes:
        _say(f"{' '.join(arguments)}: exit code {process.returncode}\n{log.read_text()[-2000:]}")
    return most


def _added(node: NodeProcess) -> float:
    """Add a key, and wait for the node to have filled it in."""
    _run(node, ("index", "add", _KEY), (0,))
    while True:
        most = _run(node, ("index", "list", "--json"), (0,))
        told = json.loads((node.folder / "command.log").read_text())
        if all(key["filled"] for key in told["added"]):
            return most


def _last_number(node: NodeProcess) -> str:
    """That of the correction that the last command has made."""
    return (node.folder / "command.log").read_text().rpartition("minipacs undo ")[2].split("`")[0]


def _children(process: int) -> list[int]:
    try:
        told = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:  # it has ended
        return []
    return [int(one) for one in told.split()]


def _peak_mb(process: int) -> float:
    """The most memory that a process has had; what it had before it was the program is left out."""
    try:
        told = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    peaks = [line.split()[1] for line in told.splitlines() if line.startswith("VmHWM")]
    return int(peaks[0]) / 1024 if peaks else 0.0  # none of one that has ended


def _find(node: NodeProcess) -> float:
    association = _associate(node, build_context(_ROOT_FIND, made.EXPLICIT))
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.SOPInstanceUID = "IMAGE", ""
    asked.StudyInstanceUID, asked.SeriesInstanceUID = made.LONG_STUDY, made.LONG_SERIES
    for _ in association.send_c_find(asked, _ROOT_FIND):
        pass
    association.release()
    return 0.0


def _first_of_get(node: NodeProcess) -> float:
    """Until the first sub-operation comes; it is aborted then."""
    first = threading.Event()
    handlers = [(evt.EVT_C_STORE, lambda event: first.set() or 0x0000)]
    association = _associate(
        node, build_context(_ROOT_GET, made.EXPLICIT), build_context(made.CT, made.EXPLICIT),
        ext_neg=[build_role(made.CT, scp_role=True)], evt_handlers=handlers,
    )  # fmt: skip
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", made.LONG_STUDY
    # pynetdicom waits for a response that an abort keeps from coming: nobody waits for that.
    threading.Thread(
        target=lambda: list(association.send_c_get(asked, _ROOT_GET)), daemon=True
    ).start()
    first.wait(_TIMEOUT_SECONDS)
    association.abort()
    return 0.0


def _associate(node: NodeProcess, *contexts: object, **options: object) -> Association:
    entity = AE("BENCH")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_SECONDS
    association = entity.associate(
        "127.0.0.1", node.port, contexts=list(contexts), ae_title=node.title, **options
    )
    assert association.is_established, node.log[-5:]
    return association


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-decade", description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=10_000, metavar="N",
                        help="10000 unless given; 100000, 1000000")  # fmt: skip
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the archive, or use it again"
    )
    parser.add_argument(
        "--only", action="append", metavar="WORDS", help="what has these in its name"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
