"""What tells of studies, by how a peer is told."""

from collections.abc import Callable, Mapping

from scp.config import Notice
from scp.forwarding.availability import AvailabilityTeller
from scp.forwarding.fhir_server import FhirTeller
from scp.forwarding.notices import Teller
from scp.forwarding.shared import ForwardingContext

TELLERS: Mapping[Notice, Callable[[ForwardingContext, str], Teller]] = {
    Notice.IAN: AvailabilityTeller,
    Notice.FHIR: FhirTeller,
}
