"""C-ECHO (PS3.4 annex A)."""

from scp.request import Request
from scp.status import Status


def handle(request: Request) -> None:
    """Answer that the node is there."""
    request.respond(Status.SUCCESS)
