"""The answers to a query, as they are read from the index."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.archive.finding.header_search import HeaderSearch
from storage.dicom.data_sets import Elements
from storage.index import Index, Stop
from storage.index import search as finding


@dataclass(frozen=True)
class QueryAnswer:
    """An entity that matches: the values of `Query.returned`, and what its header holds."""

    texts: tuple[str, ...]
    extra: Elements
    row_id: int = field(compare=False, repr=False)


class QueryAnswers:
    """The answers to a query, one an entity, as they are read from the index.

    Iterate once; then `search` tells how many headers had to be read, and which could not be.
    """

    def __init__(self, index: Index, search: HeaderSearch, stop: Stop) -> None:
        self.search = search
        self._index = index
        self._stop = stop

    def __iter__(self) -> Iterator[QueryAnswer]:
        if self.search.query.excludes_all:
            return
        engine = self._index.engine
        with engine.reading(), engine.interruptible(self._stop):
            for row_id, texts in finding.rows(self._index, self.search.query):
                extra = self.search.answer(row_id)
                if extra is None:
                    self._stop()
                else:
                    yield QueryAnswer(texts, extra, row_id)
