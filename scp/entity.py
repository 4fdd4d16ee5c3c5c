"""The application entity and the table of its services."""

from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE

from scp.association import Handlers
from scp.config import Settings
from scp.handlers import echo, find, get, move, store
from storage.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

HANDLERS: Handlers = {
    C_ECHO: echo.handle,
    C_STORE: store.handle,
    C_FIND: find.handle,
    C_MOVE: move.handle,
    C_GET: get.handle,
}


def build(settings: Settings) -> ApplicationEntity:
    """An application entity as configured: its title, limits and implementation."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    # A UID that is none gets a status and a reason from storage, not an A-ABORT.
    _config.VALIDATORS["UI"] = lambda value: (True, "")
    entity = ApplicationEntity(settings.node.ae_title)
    entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    limits = settings.limits
    entity.acse_timeout = entity.connection_timeout = limits.acse_timeout
    entity.dimse_timeout = limits.dimse_timeout
    entity.network_timeout = limits.network_timeout
    entity.maximum_pdu_size = limits.pdu_bytes
    return entity
