"""DIMSE (PS3.7): command sets, messages, statuses, data sets of the services."""

from scp.network.dimse import (
    command_set,
    extended_negotiation,
    identifier,
    sop_classes,
    status,
    writer,
)
from scp.network.dimse.command_set import Command, Field
from scp.network.dimse.extended_negotiation import SUPPORT, options_of
from scp.network.dimse.reader import Message, NodeDIMSE, OpenSink, Sink, messages_of, next_message
from scp.network.dimse.sop_classes import (
    AVAILABILITY_NOTIFICATION,
    QUERY_RETRIEVE,
    STORAGE_CLASSES,
    STORAGE_COMMITMENT,
    STORAGE_SYNTAXES,
    UNCOMPRESSED_SYNTAXES,
    VERIFICATION,
    granted_roles,
    is_storage,
    service_of,
    syntaxes_of,
)
from scp.network.dimse.status import ANSWERS, Status, is_warning, retrieve_status_of, status_of
from scp.network.dimse.storage_commitment import (
    CONTEXT,
    REQUEST_STORAGE_COMMITMENT,
    WELL_KNOWN_INSTANCE,
    decode_action,
    decode_event,
    encode_action,
)

__all__ = [
    "ANSWERS",
    "AVAILABILITY_NOTIFICATION",
    "CONTEXT",
    "QUERY_RETRIEVE",
    "REQUEST_STORAGE_COMMITMENT",
    "STORAGE_CLASSES",
    "STORAGE_COMMITMENT",
    "STORAGE_SYNTAXES",
    "SUPPORT",
    "UNCOMPRESSED_SYNTAXES",
    "VERIFICATION",
    "WELL_KNOWN_INSTANCE",
    "Command",
    "Field",
    "Message",
    "NodeDIMSE",
    "OpenSink",
    "Sink",
    "Status",
    "command_set",
    "decode_action",
    "decode_event",
    "encode_action",
    "extended_negotiation",
    "granted_roles",
    "identifier",
    "is_storage",
    "is_warning",
    "messages_of",
    "next_message",
    "options_of",
    "retrieve_status_of",
    "service_of",
    "sop_classes",
    "status",
    "status_of",
    "syntaxes_of",
    "writer",
]
