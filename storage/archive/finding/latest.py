"""The studies that match, what came last first, some at a time: for who looks through them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from storage.diagnostics import ResourceError
from storage.dicom.values import Level
from storage.index import Index, Location, counts, pages
from storage.query import Query

_MOST_SECONDS = 20.0


@dataclass(frozen=True)
class FoundStudy:
    """A study: its values by keyword, and the instance that arrived last, with who sent that."""

    values: Mapping[str, str]
    newest: Location | None
    sender: str


@dataclass(frozen=True)
class LatestStudies:
    """Some of those that match; `rest`: behind what there are others, None: there are none."""

    studies: tuple[FoundStudy, ...]
    rest: pages.Arrival | None


def latest_studies(index: Index, query: Query, most: int, **how: Any) -> LatestStudies:
    """Those that match, first that of which something arrived last; `how` as for `pages.latest`.

    Raises ResourceError, also where it takes too long.
    """
    keywords = [attribute.keyword for attribute in query.returned]
    with index.engine.reading(), index.engine.interruptible(_Bound()):
        rows = list(islice(pages.latest(index, query, **how), most + 1))
        has_more = len(rows) > most
        rows = rows[:most]
        newest = pages.newest(index, Level.STUDY, [row_id for row_id, _ in rows])
        rest = pages.arrival(index, rows[-1][0]) if has_more else None
    senders = counts.senders(index, [one.uids for one in newest.values()])
    found = []
    for row_id, texts in rows:
        last = newest.get(row_id)
        values = dict(zip(keywords, texts, strict=True))
        found.append(FoundStudy(values, last, senders.get(last.uids, "") if last else ""))
    return LatestStudies(tuple(found), rest)


@dataclass
class ArrivedSeries:
    """A series of which something arrived: how many instances, the last when and from whom."""

    study: str
    series: str
    at: int
    sender: str
    instances: int = 0


def series_arrived(index: Index, looked_at: int, most: int) -> list[ArrivedSeries]:
    """Those of the instances that arrived last, of which so many are looked at; the last one first.

    Raises ResourceError.
    """
    found: dict[tuple[str, str], ArrivedSeries] = {}
    for study, series, at, sender in pages.arrived_last(index, looked_at):
        held = found.setdefault((study, series), ArrivedSeries(study, series, at, sender))
        held.instances += 1
    return list(islice(found.values(), most))


class _Bound:
    """Ends a search that takes too long."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _MOST_SECONDS

    def __call__(self) -> None:
        if time.monotonic() > self._end:
            raise ResourceError(f"The search took over {_MOST_SECONDS:g} seconds; narrow it")
