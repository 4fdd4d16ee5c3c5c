"""What was measured against other servers: as a table, as targets reached or not, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lib.bench_peers import Peer
from lib.bench_rounds import Results, Row

_NOTHING = "-"


@dataclass(frozen=True)
class Target:
    """A figure of the node that is not to be above a limit."""

    sentence: str
    found: float | None
    limit: float

    @property
    def is_reached(self) -> bool | None:
        """None where it was not measured."""
        return None if self.found is None else self.found <= self.limit

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.sentence}: not measured"
        verdict = "reached" if self.is_reached else "NOT reached"
        return f"{self.sentence}: {verdict} ({self.found:.4g})"


def table(rows: Sequence[Row], peers: Sequence[Peer], results: Results) -> Iterator[str]:
    """The lines of a table: medians, and how many times the others' figures the node's is."""
    others = [peer.name for peer in peers if peer.name != "node"]
    keys = max(len(row.key) for row in rows)
    width = max(len(row.label) for row in rows)
    heads = [f"{name:>9}" for name in ("node", *others)] + [f"{f'/ {name}':>11}" for name in others]
    yield f"{'':{keys}}  {'':{width}}     " + " ".join(heads)
    for row in rows:
        cells = [_figure(row, name, results) for name in ("node", *others)]
        ratios = [_ratio(results.ratio(row.key, "node", name)) for name in others]
        yield f"{row.key:{keys}}  {row.label:{width}} {row.unit:>2}  " + " ".join(cells + ratios)


def failures(rows: Sequence[Row], results: Results) -> Iterator[str]:
    """A line for each figure that not all runs came to."""
    for row in rows:
        for (key, server), figures in results.items():
            if key == row.key and figures.failures:
                count = len(figures.failures)
                runs = count + len(figures.values)
                last = figures.failures[-1].splitlines()[0]
                yield f"{key}, {server}: {count} of {runs} runs FAILED and do not count: {last}"


def as_json(
    rows: Sequence[Row], results: Results, targets: Sequence[Target], notes: Sequence[str]
) -> dict[str, Any]:
    """The same for a program."""
    return {
        "rows": [
            {
                "key": row.key,
                "label": row.label.strip(),
                "unit": row.unit,
                "servers": {
                    server: {
                        "median": figures.median,
                        "runs": [round(value, 4) for value in figures.values],
                        "failures": figures.failures,
                    }
                    for (key, server), figures in results.items()
                    if key == row.key
                },
            }
            for row in rows
        ],
        "targets": [
            {
                "sentence": target.sentence,
                "found": target.found,
                "limit": target.limit,
                "reached": target.is_reached,
            }
            for target in targets
        ],
        "notes": list(notes),
    }


def _figure(row: Row, name: str, results: Results) -> str:
    held = results.get((row.key, name))
    if held is None:
        return f"{_NOTHING:>9}"
    if held.median is None:
        return f"{'FAILED':>9}"
    return f"{held.median:9.2f}" if row.unit == "s" else f"{held.median:9.1f}"


def _ratio(ratio: float | None) -> str:
    return f"{_NOTHING:>11}" if ratio is None else f"{ratio:11.2f}"
