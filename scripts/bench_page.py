"""Measure how long Chromium takes to paint the page, of an archive of many studies.

The list of studies and a series of 500 slices, from the click to the first paint, and to the first
picture; with nothing else at work, and while four senders store. Beside them a page that is a few
words in a file, which is what browser and machine take.
"""

import argparse
import multiprocessing
import os
import socketserver
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
from lib.bench_fill import NotOursError, copied, filled
from lib.headless import chromium
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from scp.testing import NodeProcess

_STUDIES, _RUNS, _SLICES, _SIDE, _SENDERS = 100_000, 15, 500, 512, 4
# What each view is to stay below, in seconds.
_MOST = {"list": 0.3, "series": 0.5}
_ARGUMENTS = ("--disable-dev-shm-usage", "--window-size=1400,900")
# From when the address was asked for: the first paint, and the end of the first picture, if any.
_PAINTED = """
const done = arguments[0];
const picture = performance.getEntriesByType('resource')
  .find((one) => one.name.includes('/rendered'));
new PerformanceObserver((list) => {
  const first = list.getEntriesByName('first-contentful-paint')[0];
  if (first) done([first.startTime, picture ? picture.responseEnd : 0]);
}).observe({ type: 'paint', buffered: true });
"""


def main() -> int:
    """Fill, measure, print. Returns 0, or 2 where that was not possible."""
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
            _run(options, Path(folder))
    except (NotOursError, OSError, AssertionError) as error:
        print(f"bench-page: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace, folder: Path) -> None:
    data = filled(options.keep or folder, options.studies, is_thin=True)
    copied(data, folder / "data")
    with ExitStack() as stack:
        node = NodeProcess(folder, {"web": {"port": 0}}).start()
        stack.callback(node.stop)
        slices = [_slice(number) for number in range(1, _SLICES + 1)]
        _store(node.port, node.title, slices)
        page = next(one for one in node.log if "page at " in one).partition("page at ")[2]
        one = slices[0]
        views = {
            "words": stack.enter_context(_words(folder)),
            "list": page,
            "series": f"{page}/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}",
        }
        browser = stack.enter_context(chromium(*_ARGUMENTS))
        browser.set_script_timeout(60)
        rows = [("nothing else", _measured(browser, views, options.runs))]
        with _senders(node.port, node.title):
            rows.append((f"{_SENDERS} senders", _measured(browser, views, options.runs)))
    _tell(rows, options)


def _measured(
    browser: Any, views: dict[str, str], runs: int
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """The seconds to the first paint, and to the first picture, of each view by turns."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in views}
    for run in range(runs + 1):
        for name, url in views.items():
            browser.get(url)
            paint, picture = browser.execute_async_script(_PAINTED)
            if run:  # the first one is to have all at hand
                found[name][0].append(paint / 1000)
                found[name][1].append(picture / 1000)
    return dict(found)


def _tell(rows: Sequence[tuple[str, Any]], options: argparse.Namespace) -> None:
    print(f"{options.studies} studies, medians of {options.runs}; load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':14}{'words':>9}{'list':>9}{'series':>9}{'picture':>9}   seconds to the first paint")
    for name, found in rows:
        values = [statistics.median(found[view][0]) for view in ("words", "list", "series")]
        values.append(statistics.median(found["series"][1]))
        print(f"{name:14}" + "".join(f"{one:9.3f}" for one in values))
    for view, most in _MOST.items():
        slowest = max(statistics.median(found[view][0]) for _, found in rows)
        print(f"{view}: at most {most} s: {'yes' if slowest <= most else 'no'}")


def _slice(number: int) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, generate_uid()
    made.StudyInstanceUID = generate_uid(entropy_srcs=["bench-page", "study"])
    made.SeriesInstanceUID = generate_uid(entropy_srcs=["bench-page", "series"])
    made.PatientName, made.PatientID, made.Modality = "Bench^Page", "BENCH", "CT"
    made.InstanceNumber = number
    made.Rows = made.Columns = _SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.WindowCenter, made.WindowWidth = 2048, 4096
    values = np.random.default_rng(number).integers(0, 4096, (_SIDE, _SIDE), np.uint16)
    made.PixelData = values.tobytes()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _store(port: int, title: str, held: Sequence[Dataset]) -> None:
    entity = AE("BENCH")
    entity.dimse_timeout = entity.network_timeout = entity.acse_timeout = 300
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=title)
    assert association.is_established
    for one in held:
        status = association.send_c_store(one).get("Status")
        assert status == 0x0000, f"a store was answered {status}"
    association.release()


def _send(port: int, title: str) -> None:
    """Send a slice after another, each of a study of its own, until it is ended."""
    while True:
        one = _slice(1)
        one.StudyInstanceUID, one.SeriesInstanceUID = generate_uid(), generate_uid()
        _store(port, title, [one])


@contextmanager
def _senders(port: int, title: str) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    senders = [context.Process(target=_send, args=(port, title)) for _ in range(_SENDERS)]
    for one in senders:
        one.start()
    try:
        yield
    finally:
        for one in senders:
            one.terminate()
            one.join()


@contextmanager
def _words(folder: Path) -> Iterator[str]:
    """The URL of a page of a few words, served by as little as can be."""
    served = folder / "served"
    served.mkdir()
    (served / "index.html").write_text("<!doctype html><title>words</title><p>A few words.")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(served))

        def log_message(self, *given: Any) -> None:
            """Nobody reads it."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-page", description=__doc__)
    parser.add_argument(
        "--studies", type=int, default=_STUDIES, metavar="N",
        help=f"studies in the index, in hundreds (default: {_STUDIES})",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=int, default=_RUNS, metavar="N",
        help=f"times that each is painted, of which the median counts (default: {_RUNS})",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep the index there, and use it again (default: a temporary folder)",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
