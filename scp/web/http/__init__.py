"""HTTP: a server on a socket that was bound before, and what its answers are made of."""

from scp.web.http.answers import Chunks, body_of_file, error_answer, not_modified
from scp.web.http.server import HttpServer

__all__ = [
    "Chunks",
    "HttpServer",
    "body_of_file",
    "error_answer",
    "not_modified",
]
