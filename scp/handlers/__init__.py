"""One DIMSE service a module: from a request to its responses."""

from scp.association import Handler, Handlers
from scp.command import Field
from scp.handlers import commit, echo, find, get, move, report, store
from scp.settings import Service

HANDLERS: Handlers = {
    Field.C_ECHO_RQ: Handler(Service.ECHO, echo.handle),
    Field.C_STORE_RQ: Handler(Service.STORE, store.handle),
    Field.C_FIND_RQ: Handler(Service.FIND, find.handle),
    Field.C_MOVE_RQ: Handler(Service.MOVE, move.handle),
    Field.C_GET_RQ: Handler(Service.GET, get.handle),
    Field.N_ACTION_RQ: Handler(Service.COMMIT, commit.handle),
    Field.N_EVENT_REPORT_RQ: Handler(Service.COMMIT, report.handle),
}
