"""What is held, asked for: by an identifier, or by the keywords of a person."""

from storage.archive.finding import added_keys, asked_keys, key_filling
from storage.archive.finding.added_keys import added_tags
from storage.archive.finding.answers import (
    NO_LIMITS,
    HeaderLimits,
    QueryAnswer,
    QueryAnswers,
    turns,
)
from storage.archive.finding.entities import (
    Asked,
    Entity,
    UnreadableError,
    asked,
    found,
    plain,
)
from storage.archive.finding.header_reader import reading_threads
from storage.archive.finding.header_search import HeaderSearch
from storage.archive.finding.latest import (
    ArrivedSeries,
    LatestStudies,
    latest_studies,
    series_arrived,
)
from storage.archive.finding.origins import Origins

__all__ = [
    "NO_LIMITS",
    "ArrivedSeries",
    "Asked",
    "Entity",
    "HeaderLimits",
    "HeaderSearch",
    "LatestStudies",
    "Origins",
    "QueryAnswer",
    "QueryAnswers",
    "UnreadableError",
    "added_keys",
    "added_tags",
    "asked",
    "asked_keys",
    "found",
    "key_filling",
    "latest_studies",
    "plain",
    "reading_threads",
    "series_arrived",
    "turns",
]
