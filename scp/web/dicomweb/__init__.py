"""DICOMweb (PS3.18): the archive for viewers, over HTTP."""

from scp.web.dicomweb import capabilities
from scp.web.dicomweb.capabilities import GIVEN
from scp.web.dicomweb.routes import ROUTES

__all__ = [
    "GIVEN",
    "ROUTES",
    "capabilities",
]
