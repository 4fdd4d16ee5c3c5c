"""QIDO-RS (PS3.18 10.6): the answers to a search, as JSON or XML."""

from werkzeug.wrappers import Response

from scp.web.dicomweb.searching import Documents, search_of
from scp.web.media import choose_metadata
from scp.web.request import MODELS, Asked, Resource, documents, warned
from storage import Level
from storage.archive import HeaderLimits, turns
from storage.index import Page


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
    most = search.most(settings.limits.find_responses)
    # One more than is answered: whether there are any.
    page = Page(search.offset, None if most is None else most + 1)
    archive, charset = asked.context.archive, settings.storage.charset
    found = archive.find(search.query, charset, limits=limits, page=page)
    document = Documents(search, MODELS[kind]).document
    held = [document(answer) for answer in found]
    warnings = list(search.warnings)
    if most is not None and len(held) > most:
        del held[most:]
        remaining = found.count()
        if remaining is None:  # headers tell which
            rest = Page(search.offset + most)
            others = archive.find(search.query, charset, limits=limits, page=rest)
            remaining = sum(1 for _ in others)
        else:
            remaining -= search.offset + most
        # In the words of PS3.18 8.3.4.4.1.
        words = f"There are {max(remaining, 1)} additional results that can be requested"
        warnings.append(words)
    if left_out := [*found.search.unreadable, *found.search.left_out]:
        warnings.append(f"{len(left_out)} stored headers could not be read, and are not matched")
    if found.search.unread:
        warnings.append("Some attributes are not looked at in stored headers")
    asked.told["answers"] = len(held)
    return warned(asked, documents(held, kind), warnings)
