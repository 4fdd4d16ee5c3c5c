"""HTTP: a server on a socket that was bound before, and what its answers are made of."""

from scp.web.http.answers import (
    body_of_file,
    error_answer,
    in_pieces,
    not_modified,
)
from scp.web.http.event_streams import EVENT_STREAM
from scp.web.http.server import HAND_OVER, Bounds, HttpServer

__all__ = [
    "EVENT_STREAM",
    "HAND_OVER",
    "Bounds",
    "HttpServer",
    "body_of_file",
    "error_answer",
    "in_pieces",
    "not_modified",
]
