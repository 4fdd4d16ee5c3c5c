"""DICOMweb (PS3.18): the archive for viewers, over HTTP."""

from scp.web.dicomweb.capabilities import GIVEN
from scp.web.dicomweb.routes import ROUTES, path_of
from scp.web.dicomweb.service import application

__all__ = [
    "GIVEN",
    "ROUTES",
    "application",
    "path_of",
]
