"""What may be asked, and who answers: from this table follow the paths and the capabilities."""

from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.wrappers import Response

from scp.config import Right
from scp.web.dicomweb import search_answers, storing, uri
from scp.web.request import Route
from scp.web.retrieval import documents, frames, instances, rendered


@dataclass(frozen=True)
class ServiceRoute(Route):
    """One of PS3.18."""

    resource: str = "instances"  # what it gives: for the media types that it can be had in


_STUDY = "{base}/studies/<study>"
_SERIES = _STUDY + "/series/<series>"
_INSTANCE = _SERIES + "/instances/<instance>"
_FRAMES = _INSTANCE + "/frames/<numbers>"
_ALL = (_STUDY, _SERIES, _INSTANCE)


def _of(name: str, paths: tuple[str, ...], end: str, handler: Callable[..., Response],
        resource: str, right: Right = Right.RETRIEVE) -> tuple[ServiceRoute, ...]:  # fmt: skip
    return tuple(
        ServiceRoute(name, path + end, handler, resource=resource, right=right) for path in paths
    )


ROUTES: tuple[ServiceRoute, ...] = (
    ServiceRoute("SearchForStudies", "{base}/studies", search_answers.studies, resource="search",
                 right=Right.FIND),
    *_of("SearchForSeries", ("{base}", _STUDY), "/series", search_answers.series, "search",
         Right.FIND),
    *_of("SearchForInstances", ("{base}", _STUDY, _SERIES), "/instances",
         search_answers.instances, "search", Right.FIND),
    *_of("RetrieveInstances", _ALL, "", instances.retrieve, "instances"),
    *_of("RetrieveMetadata", _ALL, "/metadata", documents.metadata, "metadata"),
    *_of("RetrieveBulkdata", _ALL, "/bulkdata", documents.all_bulk_data, "bulkdata"),
    *_of("RetrieveBulkdata", (_INSTANCE,), "/bulkdata/<path:path>", documents.bulk_data,
         "bulkdata"),
    *_of("RetrievePixelData", _ALL, "/pixeldata", frames.retrieve_all, "pixels"),
    *_of("RetrieveFrames", (_FRAMES,), "", frames.retrieve, "pixels"),
    *_of("RetrieveRendered", (*_ALL, _FRAMES), "/rendered", rendered.retrieve, "rendered"),
    *_of("RetrieveThumbnail", (*_ALL, _FRAMES), "/thumbnail", rendered.thumbnail, "thumbnail"),
    ServiceRoute("StoreInstances", "{base}/studies", storing.store, ("POST",), "report",
                 right=Right.STORE),
    ServiceRoute("StoreInstances", _STUDY, storing.store, ("POST",), "report",
                 right=Right.STORE),
    ServiceRoute("RetrieveByURI", "{uri}", uri.retrieve, resource="uri", right=Right.RETRIEVE),
)  # fmt: skip
