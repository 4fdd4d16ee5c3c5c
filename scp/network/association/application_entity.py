"""The application entity: the one that accepts, and those that call."""

from copy import copy
from typing import Any

from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association, ServiceUser
from pynetdicom.transport import AddressInformation

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


class ServiceUsers:
    """The requestor and the acceptor of associations that an entity accepts.

    pynetdicom makes them item by item; here they are made once, and copied for each association.
    """

    def __init__(self, entity: ApplicationEntity, pdu_bytes: int) -> None:
        association = Association(entity, MODE_ACCEPTOR)
        self._requestor, self._acceptor = association.requestor, association.acceptor
        self._acceptor.ae_title = entity.ae_title
        self._acceptor.maximum_length = pdu_bytes
        self._acceptor.implementation_class_uid = entity.implementation_class_uid
        self._acceptor.implementation_version_name = entity.implementation_version_name

    def of(self, association: Association) -> tuple[ServiceUser, ServiceUser]:
        """Requestor and acceptor of an association before its negotiation."""
        return _copied(self._requestor, association), _copied(self._acceptor, association)


def _copied(user: ServiceUser, association: Association) -> ServiceUser:
    """A copy to which items of the negotiation can be added; its first ones stay what they are."""
    made = copy(user)
    made.assoc = association
    made._contexts, made._user_info = [], list(user._user_info)
    made._ext_neg = {kind: [] for kind in user._ext_neg}
    made._common_ext = {}
    return made


def address_of(found: tuple[Any, ...]) -> AddressInformation:
    """What a socket says of an address; one of IPv4 is not asked for again of the resolver."""
    if len(found) > 2:
        return AddressInformation.from_tuple(found)
    made = AddressInformation.__new__(AddressInformation)
    made._addr, made.port = found
    made.flowinfo = made.scope_id = 0
    return made
