"""The views of a study, and of what is in it."""

from scp.web.page.study import download, instance, overview, series, way

__all__ = [
    "download",
    "instance",
    "overview",
    "series",
    "way",
]
