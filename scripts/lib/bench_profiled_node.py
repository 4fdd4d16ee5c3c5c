"""Run as a program: `minipacs`, which writes the profile of a long association to a file."""

import cProfile
import os
import sys
from pathlib import Path

OUTPUT = "BENCH_PROFILE"  # the environment variable that names the file
# An association of fewer requests is that of the program that looks whether the node is there.
_LEAST_REQUESTS = 10


def _main() -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    from scp.cli.app import app
    from scp.network.association.acceptor import NodeAssociation

    run = NodeAssociation.run_reactor

    def profiled(association: NodeAssociation) -> None:
        profiler = cProfile.Profile()
        profiler.runcall(run, association)
        if association._traffic.requests >= _LEAST_REQUESTS:
            profiler.dump_stats(os.environ[OUTPUT])

    NodeAssociation.run_reactor = profiled  # type: ignore[method-assign, assignment]
    app(sys.argv[1:])


if __name__ == "__main__":
    _main()
