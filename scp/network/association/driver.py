"""An association driven by the thread that uses it, in place of pynetdicom's two."""

from pynetdicom.association import Association

from scp.network.dimse import NodeDIMSE, OpenSink
from scp.network.upper_layer import UpperLayer


def attach_upper_layer(
    association: Association, open_sink: OpenSink = lambda context_id, command: None
) -> None:
    """Give an association the node's upper layer and messages, before anything is sent on it."""
    association.dul = UpperLayer(association)
    association.dimse = NodeDIMSE(association, open_sink)
    # Each sets a timer of the upper layer.
    association.acse_timeout = association.ae.acse_timeout
    association.network_timeout = association.ae.network_timeout
