"""DICOMweb (PS3.18): the archive for viewers, over HTTP."""

from scp.web.dicomweb import capabilities
from scp.web.dicomweb.capabilities import GIVEN, TAKEN, parameters_of
from scp.web.dicomweb.reports import SYNTAX_NOT_SUPPORTED
from scp.web.dicomweb.routes import ROUTES
from scp.web.dicomweb.searching import RETURNED
from scp.web.dicomweb.statuses import ANSWERED, AnsweredStatus, Transaction

__all__ = [
    "ANSWERED",
    "GIVEN",
    "RETURNED",
    "ROUTES",
    "SYNTAX_NOT_SUPPORTED",
    "TAKEN",
    "AnsweredStatus",
    "Transaction",
    "capabilities",
    "parameters_of",
]
