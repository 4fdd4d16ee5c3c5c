"""C-ECHO (PS3.4 annex A)."""

from scp.network.association import Request
from scp.network.dimse import Status


def handle(request: Request) -> None:
    """Answer that the node is there."""
    request.respond(Status.SUCCESS)
