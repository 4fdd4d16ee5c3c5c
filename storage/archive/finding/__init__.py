"""What is held, asked for: by an identifier, or by the keywords of a person."""

from storage.archive.finding import added_keys, asked_keys, key_filling
from storage.archive.finding.added_keys import added_tags
from storage.archive.finding.answering import AnsweringArchive
from storage.archive.finding.answers import (
    HeaderLimits,
    QueryAnswer,
    QueryAnswers,
    turns,
)
from storage.archive.finding.entities import (
    Asked,
    UnreadableError,
    asked,
    plain,
)
from storage.archive.finding.latest import (
    LatestStudies,
)

__all__ = [
    "AnsweringArchive",
    "Asked",
    "HeaderLimits",
    "LatestStudies",
    "QueryAnswer",
    "QueryAnswers",
    "UnreadableError",
    "added_keys",
    "added_tags",
    "asked",
    "asked_keys",
    "key_filling",
    "plain",
    "turns",
]
