"""QIDO-RS (PS3.18 10.6): the answers to a search, as JSON or XML."""

from werkzeug.wrappers import Response

from scp.web.dicomweb.searching import Answers, search_of
from scp.web.media import choose_metadata
from scp.web.request import Asked, Resource, documents, warned
from storage import Level
from storage.archive import HeaderLimits, turns


def studies(asked: Asked) -> Response:
    """The studies that match."""
    return _answer(asked, asked.resource(), Level.STUDY)


def series(asked: Asked, study: str | None = None) -> Response:
    """The series that match, of a study or of all."""
    return _answer(asked, asked.resource(study), Level.SERIES)


def instances(asked: Asked, study: str | None = None, series: str | None = None) -> Response:
    """The instances that match, of a series, of a study or of all."""
    return _answer(asked, asked.resource(study, series), Level.IMAGE)


def _answer(asked: Asked, resource: Resource, level: Level) -> Response:
    request, settings = asked.request, asked.context.settings
    kind = choose_metadata(*asked.accept)
    search = search_of(resource, level, request.args)
    asked.told |= search.query.named
    limits = HeaderLimits(settings.query.most_headers, turns())
    found = asked.context.archive.find(search.query, settings.storage.charset, limits=limits)
    answers = Answers(search, found, settings.limits.find_responses)
    held = list(answers)
    asked.told["answers"] = len(held)
    warnings = list(search.warnings)
    if answers.remaining:
        # In the words of PS3.18 8.3.4.4.1.
        words = f"There are {answers.remaining} additional results that can be requested"
        warnings.append(words)
    if left_out := [*found.search.unreadable, *found.search.left_out]:
        warnings.append(f"{len(left_out)} stored headers could not be read, and are not matched")
    if found.search.unread:
        warnings.append("Some attributes are not looked at in stored headers")
    return warned(asked, documents(held, kind), warnings)
