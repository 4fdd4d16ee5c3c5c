"""The application entity: the one that accepts, and those that call."""

from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity

from scp.config import Peer, Settings
from storage.dicom import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


def build(settings: Settings, peer: Peer | None = None) -> ApplicationEntity:
    """An application entity as configured, with the timeouts for `peer` where it calls one."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    # A UID that is none gets a status and a reason from storage, not an A-ABORT.
    _config.VALIDATORS["UI"] = lambda value: (True, "")
    entity = ApplicationEntity(settings.node.ae_title)
    entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    limits = settings.limits
    acse_timeout = (peer and peer.acse_timeout) or limits.acse_timeout
    entity.acse_timeout = entity.connection_timeout = acse_timeout
    entity.dimse_timeout = (peer and peer.dimse_timeout) or limits.dimse_timeout
    entity.network_timeout = limits.network_timeout
    entity.maximum_pdu_size = limits.pdu_bytes
    return entity
