"""What pynetdicom says of a peer that breaks the protocol, with the peer's name and in one line."""

import logging
import threading

from scp.log import one_line

logger = logging.getLogger(__name__)


class ProtocolLog(logging.Handler):
    """Hands on pynetdicom's errors; it logs them without saying which association they are of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log `record` again, as one line about the association whose thread this is."""
        message = one_line(record.msg) if isinstance(record.msg, BaseException) else None
        logger.warning("protocol error %s: %s", _who(), message or record.getMessage())


def set_up(verbose: bool) -> None:
    """Once per process, after `log.set_up`."""
    source = logging.getLogger("pynetdicom")
    source.setLevel(logging.DEBUG if verbose else logging.ERROR)
    if not verbose:
        source.handlers[:] = [ProtocolLog()]
        source.propagate = False
    threading.excepthook = _thread_ended


def _thread_ended(arguments: threading.ExceptHookArgs) -> None:
    logger.error("thread ended %s: %s", _who(), one_line(arguments.exc_value))


def _who() -> str:
    """The peer of the association, or of its upper layer, that the current thread runs."""
    thread = threading.current_thread()
    association = getattr(thread, "assoc", thread)
    return str(getattr(association, "who", "association of this node's own"))
