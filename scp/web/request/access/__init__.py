"""Who asks over HTTP, and what that one may do."""

from scp.web.request.access.callers import ANYBODY, Caller

__all__ = [
    "ANYBODY",
    "Caller",
]
