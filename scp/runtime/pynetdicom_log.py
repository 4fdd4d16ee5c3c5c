"""What pynetdicom says of a peer that breaks the protocol, with the peer's name and in one line."""

import logging
import threading

from scp.runtime.log import one_line
from storage.diagnostics import Event

logger = logging.getLogger(__name__)


class ProtocolLog(logging.Handler):
    """Hands on pynetdicom's errors; it logs them without saying which association they are of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log `record` again, as one line about the association whose thread this is."""
        error = record.msg if isinstance(record.msg, BaseException) else None
        message = one_line(error) if error else record.getMessage()
        who = _who()
        # Who opened an association says itself what became of it.
        level = logging.WARNING if who else logging.DEBUG
        logger.log(level, Event("protocol error", message, **who))


def set_up(verbose: bool) -> None:
    """Once per process, after `log.set_up`."""
    source = logging.getLogger("pynetdicom")
    source.setLevel(logging.DEBUG if verbose else logging.ERROR)
    if not verbose:
        source.handlers[:] = [ProtocolLog()]
        source.propagate = False
    threading.excepthook = _thread_ended


def _thread_ended(arguments: threading.ExceptHookArgs) -> None:
    who = _who() or {"thread": getattr(arguments.thread, "name", "?")}
    logger.error(Event("thread ended", one_line(arguments.exc_value), **who))


def _who() -> dict[str, str]:
    """The peer of the accepted association that the current thread runs, if it does."""
    thread = threading.current_thread()
    association = getattr(thread, "assoc", thread)
    return getattr(association, "who", {})
