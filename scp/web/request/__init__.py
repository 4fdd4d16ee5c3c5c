"""What is asked, of what, and what answers are made of."""

from scp.web.request.access import BusyError, ForbiddenError
from scp.web.request.bodies import MODELS, document, documents, multipart, part
from scp.web.request.context import HARMLESS, Asked, OfNode, WebContext, warned
from scp.web.request.errors import (
    ConflictError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
    UnsupportedTypeError,
    status_of,
)
from scp.web.request.resources import BadRequestError, Resource
from scp.web.request.routes import Route

__all__ = [
    "HARMLESS",
    "MODELS",
    "Asked",
    "BadRequestError",
    "BusyError",
    "ConflictError",
    "ForbiddenError",
    "NotFoundError",
    "OfNode",
    "Resource",
    "Route",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedTypeError",
    "WebContext",
    "document",
    "documents",
    "multipart",
    "part",
    "status_of",
    "warned",
]
