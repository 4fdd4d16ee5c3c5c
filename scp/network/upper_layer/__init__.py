"""The DICOM Upper Layer (PS3.8): PDUs, timers, one thread a connection."""

from scp.network.upper_layer.provider import UpperLayer, upper_layer_of
from scp.network.upper_layer.service_user import MessageError
from scp.network.upper_layer.transport import Bytes, NodeSocket

__all__ = [
    "Bytes",
    "MessageError",
    "NodeSocket",
    "UpperLayer",
    "upper_layer_of",
]
