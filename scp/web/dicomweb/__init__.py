"""DICOMweb (PS3.18): the archive for viewers, over HTTP."""

from scp.web.dicomweb.service import application

__all__ = [
    "application",
]
