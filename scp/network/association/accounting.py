"""What became of associations and requests: for log, audit trail and metrics."""

import logging
from collections.abc import Callable

from scp.config import Service
from scp.network.association import counters
from scp.network.association.request import Request, Traffic
from scp.network.association.shared import WorkerContext
from storage.diagnostics import Event, Own

logger = logging.getLogger(__name__)


def refused(node: WorkerContext, host: str, address: str, words: str) -> None:
    """A connection never became an association: "it ..." says why; `address` is host:port."""
    node.counters.associate("", "refused")
    node.audit.write(
        "association", peer="", address=host, called="", outcome="refused", reason=words
    )
    logger.warning(Event("connection refused", Own(f"it {words}"), address=address))


def ended(
    node: WorkerContext,
    identity: dict[str, str],
    who: dict[str, str],
    traffic: Traffic,
    by: str,
    seconds: float,
) -> None:
    """An association that was established has ended, and is counted."""
    traffic.stored.write(node.audit, identity)
    node.audit.write(
        "association", **identity, outcome=by, requests=traffic.requests,
        bytes_in=traffic.bytes_in, bytes_out=traffic.bytes_out, seconds=round(seconds, 3),
    )  # fmt: skip
    logger.info(
        Event(
            "association closed",
            **who,
            by=by,
            requests=traffic.requests,
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            seconds=seconds,
        )
    )


def served(
    node: WorkerContext,
    identity: Callable[[], dict[str, str]],
    service: Service,
    request: Request,
    seconds: float,
    before: tuple[int, int],
) -> None:
    """A request was served; `before` are the bytes in and out until then.

    `identity` is asked for where it is needed: it takes longer than all else here.
    """
    traffic, status = request.traffic, request.final_status
    traffic.requests += 1
    sent = traffic.bytes_out - before[1] - request.sent_bytes  # those are counted
    sizes = traffic.bytes_in - before[0], sent
    node.counters.add(counters.of_request(service, status, seconds, sizes))
    if service is Service.STORE:  # those are told together
        if traffic.stored.is_full:
            traffic.stored.write(node.audit, identity())
        return
    node.audit.write(
        str(service), **identity(), **request.audit,
        status=f"{status:04X}" if status is not None else None, seconds=round(seconds, 3),
    )  # fmt: skip
