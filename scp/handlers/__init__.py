"""One DIMSE service a module: from a request to its responses."""

from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE

from scp.association import Handlers
from scp.handlers import echo, find, get, move, store

# By the class of the request's primitive.
HANDLERS: Handlers = {
    C_ECHO: echo.handle,
    C_STORE: store.handle,
    C_FIND: find.handle,
    C_MOVE: move.handle,
    C_GET: get.handle,
}
