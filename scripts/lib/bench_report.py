"""What was measured, as a table, as targets reached or not, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lib.bench_cases import ALL_STUDIES, TODAY, Result
from lib.bench_corpus import IMAGES_A_STUDY

# Of what answers so many as these a list is, and no look-up.
_LIST_ANSWERS = 1_000
_LOOKUP_MS, _LOOKUP_RATIO, _TODAY_MS, _ALL_MS, _FIRST_MS, _MEMORY_MB = 2, 3, 20, 2_000, 50, 150


@dataclass(frozen=True)
class Target:
    """What is to be reached at the larger size, and what keeps it from being so, if anything."""

    sentence: str
    missed: list[str]

    def __str__(self) -> str:
        verdict = f"NOT reached ({', '.join(self.missed)})" if self.missed else "reached"
        return f"{self.sentence}: {verdict}"


def targets(results: Sequence[Result], memory_mb: float) -> Iterator[Target]:
    """The targets of C-FIND."""
    lookups = [r for r in results if r.case.is_lookup]
    yield Target(
        f"lookups by key: median under {_LOOKUP_MS} ms",
        [f"{r.case.name} {r.large.median:.2f}" for r in lookups if r.large.median >= _LOOKUP_MS],
    )
    yield Target(
        f"lookups by key: at most {_LOOKUP_RATIO} times their cost in the small index",
        [f"{r.case.name} {r.ratio:.1f}" for r in lookups if r.ratio > _LOOKUP_RATIO],
    )
    by_case = {r.case: r.large for r in results}
    every, today = by_case[ALL_STUDIES], by_case[TODAY]
    for sentence, found, limit in (
        (f"today's studies: under {_TODAY_MS} ms", today.median, _TODAY_MS),
        (f"all studies: under {_ALL_MS:,} ms", every.median, _ALL_MS),
        (f"all studies: first answer within {_FIRST_MS} ms", every.first_median, _FIRST_MS),
        (f"all studies: memory under {_MEMORY_MB} MB", memory_mb, _MEMORY_MB),
    ):
        yield Target(sentence, [] if found < limit else [f"{found:.1f}"])


def table(results: Sequence[Result], sizes: tuple[int, int]) -> Iterator[str]:
    """The lines of a table, for indexes of `sizes` studies."""
    width = max(len(r.case.name) for r in results)
    titles = (f"{studies * IMAGES_A_STUDY:,} instances" for studies in sizes)
    yield f"{'':{width}}  " + "  ".join(f"{title:>28}" for title in titles)
    columns = f"{'answers':>8} {'median':>9} {'95 %':>9}"
    yield f"{'milliseconds':{width}}  {columns}  {columns}  {'ratio':>6}"
    for result in results:
        cells = "  ".join(
            f"{t.typical_answers:8,} {t.median:9.2f} {t.p95:9.2f}"
            for t in (result.large, result.small)
        )
        yield f"{result.case.name:{width}}  {cells}  {result.ratio:6.1f}"
        if result.case is ALL_STUDIES:
            large, small = result.large.first_median, result.small.first_median
            cells = f"{'':8} {large:9.2f} {'':9}  {'':8} {small:9.2f} {'':9}"
            yield f"{'  to the first answer':{width}}  {cells}  {large / small:6.1f}"


def as_json(results: Sequence[Result], sizes: tuple[int, int], memory_mb: float) -> dict[str, Any]:
    """The same for a program; `sizes` gives the order of what was measured at each."""
    queries = [
        {
            "name": result.case.name,
            "ratio": round(result.ratio, 2),
            "sizes": [
                {
                    "studies": studies,
                    "answers": timing.typical_answers,
                    "median_ms": round(timing.median, 3),
                    "p95_ms": round(timing.p95, 3),
                    "first_median_ms": round(timing.first_median, 3),
                }
                for studies, timing in zip(sizes, (result.large, result.small), strict=True)
            ],
        }
        for result in results
    ]
    reached = {target.sentence: not target.missed for target in targets(results, memory_mb)}
    return {"queries": queries, "memory_mb": round(memory_mb, 1), "reached": reached}


def engine_targets(results: Sequence[Result]) -> Iterator[Target]:
    """The targets of PostgreSQL (the first of each) beside a file of SQLite's."""
    yield Target(
        f"lookups by key: PostgreSQL takes at most {_LOOKUP_RATIO} times as long",
        [f"{r.case.name} {r.ratio:.1f}" for r in results
         if r.case.is_lookup and r.ratio > _LOOKUP_RATIO],
    )  # fmt: skip
    yield Target(
        "lists of thousands: PostgreSQL takes less long",
        [f"{r.case.name} {r.ratio:.2f}" for r in results
         if r.large.typical_answers >= _LIST_ANSWERS and r.ratio >= 1],
    )  # fmt: skip


def engines_table(results: Sequence[Result], studies: int) -> Iterator[str]:
    """The lines of a table of both, for an index of so many studies."""
    width = max(len(r.case.name) for r in results)
    title = f"{studies * IMAGES_A_STUDY:,} instances, ms"
    columns = f"{'median':>9} {'95 %':>9}"
    yield f"{'':{width}}  {'':8} {'PostgreSQL':>19}  {'SQLite':>19}"
    yield f"{title:{width}}  {'answers':>8} {columns}  {columns}  {'ratio':>6}"
    for result in results:
        cells = "  ".join(f"{t.median:9.2f} {t.p95:9.2f}" for t in (result.large, result.small))
        answers = result.large.typical_answers
        yield f"{result.case.name:{width}}  {answers:8,} {cells}  {result.ratio:6.2f}"


def engines_as_json(results: Sequence[Result]) -> dict[str, Any]:
    """The same for a program."""
    queries = [
        {
            "name": result.case.name,
            "answers": result.large.typical_answers,
            "postgresql_ms": round(result.large.median, 3),
            "sqlite_ms": round(result.small.median, 3),
            "ratio": round(result.ratio, 2),
        }
        for result in results
    ]
    reached = {target.sentence: not target.missed for target in engine_targets(results)}
    return {"queries": queries, "reached": reached}
