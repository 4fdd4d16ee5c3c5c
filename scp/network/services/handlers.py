"""One DIMSE service a module: from a request to its responses."""

from scp.config import Service
from scp.network.association import Handler, Handlers
from scp.network.dimse import Field
from scp.network.services import commitment, commitment_result, echo, find, get, move, store
from scp.network.services.worklist import listing, performed_step

HANDLERS: Handlers = {
    Field.C_ECHO_RQ: (Handler(Service.ECHO, echo.handle),),
    Field.C_STORE_RQ: (Handler(Service.STORE, store.handle),),
    Field.C_FIND_RQ: (
        Handler(Service.FIND, find.handle),
        Handler(Service.WORKLIST, listing.handle),
    ),
    Field.C_MOVE_RQ: (Handler(Service.MOVE, move.handle),),
    Field.C_GET_RQ: (Handler(Service.GET, get.handle),),
    Field.N_ACTION_RQ: (
        Handler(Service.COMMIT, commitment.handle),
        Handler(Service.STEP, performed_step.refuse),
    ),
    Field.N_EVENT_REPORT_RQ: (
        Handler(Service.COMMIT, commitment_result.handle),
        Handler(Service.STEP, performed_step.refuse),
    ),
    Field.N_CREATE_RQ: (Handler(Service.STEP, performed_step.create),),
    Field.N_SET_RQ: (Handler(Service.STEP, performed_step.set_attributes),),
    Field.N_GET_RQ: (Handler(Service.STEP, performed_step.get),),
    Field.N_DELETE_RQ: (Handler(Service.STEP, performed_step.refuse),),
}
