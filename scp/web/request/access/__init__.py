"""Who asks over HTTP, from where, and what that one may do."""

from scp.web.request.access.callers import NOBODY, Caller
from scp.web.request.access.connections import Connection
from scp.web.request.access.errors import (
    AccessError,
    BusyError,
    ForbiddenError,
    TooManyError,
    UnauthorizedError,
)
from scp.web.request.access.identity import Identity

__all__ = [
    "NOBODY",
    "AccessError",
    "BusyError",
    "Caller",
    "Connection",
    "ForbiddenError",
    "Identity",
    "TooManyError",
    "UnauthorizedError",
]
