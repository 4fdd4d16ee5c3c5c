"""One DIMSE service a module: from a request to its responses."""

from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE, N_ACTION

from scp.association import Handler, Handlers
from scp.handlers import commit, echo, find, get, move, store
from scp.settings import Service

HANDLERS: Handlers = {
    C_ECHO: Handler(Service.ECHO, echo.handle),
    C_STORE: Handler(Service.STORE, store.handle),
    C_FIND: Handler(Service.FIND, find.handle),
    C_MOVE: Handler(Service.MOVE, move.handle),
    C_GET: Handler(Service.GET, get.handle),
    N_ACTION: Handler(Service.COMMIT, commit.handle),
}
