"""What may be asked, and who answers: from this table follow the paths and the capabilities."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.wrappers import Response

from scp.config import Web
from scp.web.dicomweb import search_answers, storing, uri
from scp.web.retrieval import documents, frames, instances, rendered


@dataclass(frozen=True)
class Route:
    """A path with its variables, by the rules of werkzeug's routing."""

    name: str
    path: str
    handler: Callable[..., Response]
    methods: tuple[str, ...] = ("GET",)
    resource: str = "instances"  # what it gives: for the media types that it can be had in


def path_of(route: Route, web: Web) -> str:
    """A route's path by the settings, its variables in braces."""
    return _VARIABLE.sub(r"{\1}", route.path.format(base=web.path, uri=web.uri_path))


_VARIABLE = re.compile(r"<(?:path:)?(\w+)>")
_STUDY = "{base}/studies/<study>"
_SERIES = _STUDY + "/series/<series>"
_INSTANCE = _SERIES + "/instances/<instance>"
_FRAMES = _INSTANCE + "/frames/<numbers>"
_ALL = (_STUDY, _SERIES, _INSTANCE)


def _of(name: str, paths: tuple[str, ...], end: str, handler: Callable[..., Response],
        resource: str) -> tuple[Route, ...]:  # fmt: skip
    return tuple(Route(name, path + end, handler, resource=resource) for path in paths)


ROUTES: tuple[Route, ...] = (
    Route("SearchForStudies", "{base}/studies", search_answers.studies, resource="search"),
    *_of("SearchForSeries", ("{base}", _STUDY), "/series", search_answers.series, "search"),
    *_of("SearchForInstances", ("{base}", _STUDY, _SERIES), "/instances",
         search_answers.instances, "search"),
    *_of("RetrieveInstances", _ALL, "", instances.retrieve, "instances"),
    *_of("RetrieveMetadata", _ALL, "/metadata", documents.metadata, "metadata"),
    *_of("RetrieveBulkdata", _ALL, "/bulkdata", documents.all_bulk_data, "bulkdata"),
    *_of("RetrieveBulkdata", (_INSTANCE,), "/bulkdata/<path:path>", documents.bulk_data,
         "bulkdata"),
    *_of("RetrievePixelData", _ALL, "/pixeldata", frames.retrieve_all, "pixels"),
    *_of("RetrieveFrames", (_FRAMES,), "", frames.retrieve, "pixels"),
    *_of("RetrieveRendered", (*_ALL, _FRAMES), "/rendered", rendered.retrieve, "rendered"),
    *_of("RetrieveThumbnail", (*_ALL, _FRAMES), "/thumbnail", rendered.thumbnail, "rendered"),
    Route("StoreInstances", "{base}/studies", storing.store, ("POST",), "report"),
    Route("StoreInstances", _STUDY, storing.store, ("POST",), "report"),
    Route("RetrieveByURI", "{uri}", uri.retrieve, resource="uri"),
)  # fmt: skip
