"""An archive as it is asked: by queries, by keywords, for what came last."""

from collections.abc import Iterator
from typing import Any

from storage.archive.finding.answers import NO_LIMITS, HeaderLimits, QueryAnswers
from storage.archive.finding.entities import Asked, Entity, found
from storage.archive.finding.header_reader import reading_threads
from storage.archive.finding.header_search import HeaderSearch
from storage.archive.finding.latest import (
    ArrivedSeries,
    LatestStudies,
    latest_studies,
    series_arrived,
)
from storage.archive.finding.origins import Origins
from storage.diagnostics import ResourceError
from storage.files import Files
from storage.index import Index, Page, Stop, counts, never, pages
from storage.journal import Journal
from storage.query import Query


class AnsweringArchive:
    """What is held, and what tells of it; every method raises ResourceError alone."""

    def __init__(self, tree: Files, index: Index, journal: Journal) -> None:
        self.tree, self.index, self.journal = tree, index, journal
        self._is_whole = False
        self._reading_threads = reading_threads()

    def require_whole(self) -> None:
        """Raise ResourceError while the index is made anew: it cannot tell what is not held."""
        with self.index.engine.reading():
            self._is_whole = self._is_whole or self.index.engine.version() != 0
        if not self._is_whole:
            raise ResourceError("The index is being made anew; ask again later")

    def find(
        self,
        query: Query,
        charset: str,
        stop: Stop = never,
        limits: HeaderLimits = NO_LIMITS,
        page: Page | None = None,
    ) -> QueryAnswers:
        """The entities that match; `charset` is for stored text that names none.

        `stop` is asked now and then, even while nothing matches; it ends the search by raising.
        Without a page they come in any order.
        """
        self.require_whole()
        search = HeaderSearch(self.tree, self.index, query, charset, self._reading_threads)
        return QueryAnswers(self.index, search, stop, limits, page)

    def entities(
        self, asked_for: Asked, charset: str, limits: HeaderLimits = NO_LIMITS
    ) -> Iterator[Entity]:
        """Those that answer what is asked by keywords; as `find`.

        Raises UnreadableError, after the last, where not all headers could be read.
        """
        answers = self.find(asked_for.query, charset, never, limits)
        return found(asked_for, answers, Origins(self.index, self.journal))

    def latest_studies(self, query: Query, most: int, **how: Any) -> LatestStudies:
        """The studies that match, of columns alone; `how` as `finding.latest_studies` takes it."""
        self.require_whole()
        return latest_studies(self.index, query, most, **how)

    def series_arrived(self, looked_at: int, most: int) -> list[ArrivedSeries]:
        """The series of the instances that arrived last, of which so many are looked at."""
        return series_arrived(self.index, looked_at, most)

    def series_with_pictures(self, study: str) -> set[str]:
        """The UIDs of a study's series in which an instance has Rows."""
        return counts.series_with_pictures(self.index, study)

    def state(self) -> tuple[int, ...]:
        """Other numbers whenever something has arrived, was corrected, or a series has gone.

        Raises ResourceError.
        """
        return pages.state(self.index)

    def video_syntaxes(self, sop_class_uid: str) -> list[str]:
        """The transfer syntaxes that instances of a class of video are in, that of the most first.

        Raises ResourceError where the index cannot be read.
        """
        return counts.video_syntaxes(self.index, sop_class_uid)

    def close_thread(self) -> None:
        """Close the calling thread's connection to the index."""
        self.index.engine.close_thread()
