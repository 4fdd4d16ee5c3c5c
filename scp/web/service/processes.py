"""[web]: the processes that answer DICOMweb, seen from the supervisor.

They are none of the workers: a browser that is slow, or a picture that is hostile, holds up no
store. Each shares the socket with the others, and opens the archive for itself.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from scp.config import Settings
from scp.runtime import child, memory
from storage.diagnostics import Sentence

if TYPE_CHECKING:
    from scp.web.http import HttpServer

logger = logging.getLogger(__name__)

# What `ps` shows.
NAME = "web"
_MOST_PROCESSES = 4
_RETRY_SECONDS = 1.0
# How long answers that are under way may take once the node is to end.
_GRACE_SECONDS = 5.0
_ENDS = {signal.SIGTERM, signal.SIGINT}


class WebProcesses:
    """Those of a node; `left_behind` is told the id of one that was killed amid something."""

    def __init__(
        self, settings: Settings, door: socket.socket | None, left_behind: Callable[[int], None]
    ) -> None:
        self._settings = settings
        self._door = door
        self._left_behind = left_behind
        self._processes: set[int] = set()
        self._next_start = 0.0
        self._is_over = False

    def begin(self) -> None:
        """Start to answer, where [web] says so."""
        if self._door is None:
            return
        host, port = self._door.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        web = self._settings.web
        assert web
        scheme = "https" if web.tls else "http"
        logger.info("DICOMweb at %s://%s:%d%s", scheme, shown, port, web.path)
        self.tend()

    def tend(self) -> None:
        """Start those that do not run."""
        self._reap()
        if self._door is None or self._is_over or self._next_start > time.monotonic():
            return
        assert self._settings.web
        wanted = self._settings.web.workers or min(os.cpu_count() or 1, _MOST_PROCESSES)
        if len(self._processes) < wanted:
            self._next_start = time.monotonic() + _RETRY_SECONDS
        while len(self._processes) < wanted:
            self._processes.add(child.fork(NAME, self._serve))

    def renew(self, settings: Settings) -> None:
        """Answer by these settings from now on; who asks meanwhile waits at the door."""
        self._settings = settings
        self.end()
        self._is_over, self._next_start = False, 0.0
        self.tend()

    def stop(self) -> None:
        """Have them finish what they are at, and end."""
        self._is_over = True
        for process in self._processes:
            os.kill(process, signal.SIGTERM)

    def end(self) -> None:
        """Wait for their end."""
        self.stop()
        deadline = time.monotonic() + _GRACE_SECONDS + 1
        while self._processes:
            if time.monotonic() >= deadline:
                for process in self._processes:
                    os.kill(process, signal.SIGKILL)
            self._reap()
            if self._processes:
                signal.sigtimedwait((signal.SIGCHLD,), 0.1)

    def _reap(self) -> None:
        for process in list(self._processes):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self._processes.discard(process)
                if status:
                    words = "a process of DICOMweb died, starting another"
                    logger.error(Sentence(words, process=process))
                    self._left_behind(process)

    def _serve(self) -> None:
        # Here: a node without [web] needs none of it, and its workers would share 20 MB of it.
        from scp.web.http import HttpServer
        from scp.web.service.application import WebService

        assert self._door is not None
        memory.bound()
        service = WebService(self._settings)
        server = HttpServer(self._door, service, tls=service.tls, spoken_for=service.spoken_for)
        threading.Thread(target=_stop_when_told, args=(server,), daemon=True, name="end").start()
        server.run()


def _stop_when_told(server: "HttpServer") -> None:
    signal.sigwait(_ENDS)
    server.stop_within(_GRACE_SECONDS)
