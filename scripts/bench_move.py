"""Measure C-MOVE: the node and other servers send the same studies to the same storescp."""

import json
import sys
from collections.abc import Sequence

from lib.bench_images import CT, SMALL
from lib.bench_moves import measure_moves
from lib.bench_options import folder, parser, peers
from lib.bench_programs import MissingError
from lib.bench_rounds import FAILURES, Results, Row, Session, say
from lib.bench_servers import cleared_at_the_end
from lib.bench_summary import Target, as_json, failures, table

_RIVALS = {"dcmqrscp": "dcmqrscp", "orthanc": "Orthanc"}


def main() -> int:
    """Load, move, print. Returns 0, or 2 where that was not possible."""
    options = parser("bench-move", __doc__).parse_args()
    studies = {"CT": CT.scaled(options.scale), "small": SMALL.scaled(options.scale)}
    rows = (
        Row("CT", f"a study of {studies['CT'].count:,} CT of 512 KB"),
        Row("small", f"a study of {studies['small'].count:,} instances of 2 KB"),
    )
    try:
        found, notes = peers(options.peers)
        results = Results()
        with folder(options.keep) as files, cleared_at_the_end():
            measure_moves(Session(files, found, options.runs, results), studies)
    except (MissingError, *FAILURES) as error:
        say(f"bench-move: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    notes += failures(rows, results)
    targets = _targets(rows, results)
    if options.json:
        print(json.dumps(as_json(rows, results, targets, notes), indent=2))
    else:
        print("\n".join([*table(rows, found, results), ""]))
        print("\n".join([*notes, *([""] if notes else []), *map(str, targets)]))
    is_measured = all(results.median(row.key, found[0].name) is not None for row in rows)
    return 0 if is_measured else 2


def _targets(rows: Sequence[Row], results: Results) -> list[Target]:
    return [
        Target(f"{row.label}: no slower than {name}", results.ratio(row.key, "node", server), 1.0)
        for row in rows
        for server, name in _RIVALS.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
