"""The studies that match, what came last first, some at a time: for who looks through them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from storage.archive.finding.origins import Origins
from storage.diagnostics import ResourceError
from storage.dicom.values import Level, Uids
from storage.index import Index, Location, pages
from storage.query import Query, matches

# Of one look into the index; and into the journal for a sender, which no column has.
_MOST_SECONDS, _SENDER_SECONDS = 20.0, 2.0


@dataclass(frozen=True)
class FoundStudy:
    """A study: its values by keyword, and the instance that arrived last, with who sent that."""

    row_id: int
    values: Mapping[str, str]
    newest: Location | None
    sender: str


@dataclass(frozen=True)
class LatestStudies:
    """Some of those that match; `rest`: before what row there may be others, None: there are none.

    `is_cut`: not so many as were asked for, since to look for a sender took too long.
    """

    studies: tuple[FoundStudy, ...]
    rest: int | None
    is_cut: bool = False


def latest_studies(
    index: Index, origins: Origins, query: Query, most: int,
    before: int | None = None, sender: str = "", contained: Sequence[tuple[str, str]] = (),
) -> LatestStudies:  # fmt: skip
    """Those that match, and of which an instance came from a `sender`; the last to come first.

    `contained` as `pages.latest` takes it. Raises ResourceError.
    """
    keywords = [attribute.keyword for attribute in query.returned]
    end = time.monotonic() + _SENDER_SECONDS
    rows: dict[int, tuple[str, ...]] = {}
    rest, looked, is_cut = None, 0, False
    with index.engine.reading(), index.engine.interruptible(_Bound()):
        for row_id, texts in pages.latest(index, query, before, contained):
            if len(rows) == most or is_cut:
                rest = looked
                break
            if not sender or _came_from(origins, row_id, sender):
                rows[row_id] = texts
            looked, is_cut = row_id, bool(sender) and time.monotonic() > end
        newest = pages.newest(index, Level.STUDY, list(rows))
    found = (
        _found(origins, row_id, dict(zip(keywords, texts, strict=True)), newest.get(row_id))
        for row_id, texts in rows.items()
    )
    return LatestStudies(tuple(found), rest, is_cut and rest is not None)


def _found(
    origins: Origins, row_id: int, values: Mapping[str, str], newest: Location | None
) -> FoundStudy:
    sender = origins.last_sender(newest.uids) if newest else ""
    return FoundStudy(row_id, values, newest, sender)


def _came_from(origins: Origins, row_id: int, sender: str) -> bool:
    return any(matches("AE", one, sender) for one in origins.senders(Level.STUDY, row_id))


@dataclass(frozen=True)
class ArrivedSeries:
    """A series of which something arrived: how many instances, the last when and from whom."""

    study: str
    series: str
    instances: int
    at: int
    sender: str


def series_arrived(
    index: Index, origins: Origins, looked_at: int, most: int
) -> list[ArrivedSeries]:
    """Those of the instances that arrived last, of which so many are looked at; the last one first.

    Raises ResourceError.
    """
    by_series: dict[tuple[str, str], list[tuple[Uids, int]]] = {}
    for uids, at in pages.arrived_last(index, looked_at):
        by_series.setdefault(uids[:2], []).append((uids, at))
    return [
        ArrivedSeries(*held[0][0][:2], len(held), held[0][1], origins.last_sender(held[0][0]))
        for held in islice(by_series.values(), most)
    ]


class _Bound:
    """Ends a search that takes too long."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _MOST_SECONDS

    def __call__(self) -> None:
        if time.monotonic() > self._end:
            raise ResourceError(f"The search took over {_MOST_SECONDS:g} seconds; narrow it")
