"""The process that makes the index anew, beside the workers that receive meanwhile."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from scp import log
from scp.settings import Settings
from storage.rebuilding import rebuild

logger = logging.getLogger(__name__)

# Lower than that of the workers: who sends should not notice.
_NICENESS = 10


class Keeper:
    """Starts that process, and knows whether it still runs."""

    def __init__(self, settings: Settings, life: int, life_end: int) -> None:
        """`life` is a pipe whose other end only the supervisor holds: it closes with that."""
        self._settings = settings
        self._life, self._life_end = life, life_end
        self._process = 0

    @property
    def runs(self) -> bool:
        """Whether the process is there; False once `reap` has seen its end."""
        return self._process != 0

    def start(self) -> None:
        """Fork the process."""
        process = os.fork()
        if process == 0:
            os.close(self._life_end)
            child(lambda: _run(self._settings, self._life), "index not rebuilt")
        self._process = process

    def reap(self) -> bool | None:
        """Whether it ended well; None where it runs, or was not started."""
        if not self._process:
            return None
        found, status = os.waitpid(self._process, os.WNOHANG)
        if not found:
            return None
        self._process = 0
        return status == 0

    def stop(self) -> None:
        """End it: what it has made so far is thrown away."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0


def child(work: Callable[[], None], name: str) -> None:
    """The life of a forked process: never returns."""
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        logger.error("%s: %s", name, log.one_line(error))
        logger.debug("details", exc_info=True)
    finally:
        logging.shutdown()
        # Not sys.exit: threads of associations that hang would be waited for.
        os._exit(code)


def _run(settings: Settings, life: int) -> None:
    """Make the index anew, for as long as the supervisor holds the other end of `life`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # to the whole group; the supervisor ends us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    os.nice(_NICENESS)
    start = time.monotonic()
    held = rebuild(
        settings.storage.path, settings.storage.charset, log.Progress("rebuilding the index")
    )
    logger.info("index rebuilt instances=%d seconds=%.1f", held, time.monotonic() - start)


def _end_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)
