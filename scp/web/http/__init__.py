"""HTTP: a server on a socket that was bound before, and what its answers are made of."""

from scp.web.http.answers import (
    body_of_file,
    error_answer,
    in_pieces,
    not_modified,
)
from scp.web.http.server import Bounds, HttpServer

__all__ = [
    "Bounds",
    "HttpServer",
    "body_of_file",
    "error_answer",
    "in_pieces",
    "not_modified",
]
