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
from scp.web.request.access.sessions import SESSION_SECONDS, session_cookie

__all__ = [
    "NOBODY",
    "SESSION_SECONDS",
    "AccessError",
    "BusyError",
    "Caller",
    "Connection",
    "ForbiddenError",
    "Identity",
    "TooManyError",
    "UnauthorizedError",
    "session_cookie",
]
