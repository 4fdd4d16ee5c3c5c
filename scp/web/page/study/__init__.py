"""The views of a study, and of what is in it."""

from scp.web.page.study import download, instance, overview, series, way
from scp.web.page.study.held import path_of, study_of

__all__ = [
    "download",
    "instance",
    "overview",
    "path_of",
    "series",
    "study_of",
    "way",
]
