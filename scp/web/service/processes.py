"""[web]: the processes that answer DICOMweb, seen from the supervisor.

They are none of the workers: a browser that is slow, or a picture that is hostile, holds up no
store. Each shares the socket with the others, and opens the archive for itself.
"""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from scp.config import Settings
from scp.node.acts.board import ActBoard
from scp.runtime import child, memory
from scp.web.monitoring import WebCounters
from storage.diagnostics import Sentence

if TYPE_CHECKING:
    from scp.web.http import HttpServer
    from scp.web.service.application import WebService

logger = logging.getLogger(__name__)

# What `ps` shows.
NAME = "web"
_MOST_PROCESSES = 4
_RETRY_SECONDS = 1.0
# How long answers that are under way may take once the node is to end; and where only the
# configuration is another: that of a large study is not to be cut by it.
_GRACE_SECONDS, _RENEWAL_SECONDS = 5.0, 600.0
# And what was stored, to be on the disk in its place; else the next start sees to it.
_CLOSE_SECONDS = 5.0
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class WebProcesses:
    """Those of a node; `left_behind` is told the id of one that was killed amid something."""

    def __init__(
        self, settings: Settings, door: socket.socket | None, counters: WebCounters,
        left_behind: Callable[[int], None], statement: Callable[[Settings], str],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._door = door
        self._counters = counters
        self._left_behind = left_behind
        self._secret, self._statement, self._acts = secrets.token_bytes(32), statement, ActBoard()
        self._processes = child.KeptProcesses(
            NAME, self._serve, self._ended, retry_seconds=(_RETRY_SECONDS, _RETRY_SECONDS),
            grace_seconds=_GRACE_SECONDS + _CLOSE_SECONDS,
            to_renew=(signal.SIGHUP, _RENEWAL_SECONDS + _CLOSE_SECONDS),
        )  # fmt: skip

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
        if web.page:
            logger.info("page at %s://%s:%d/page", scheme, shown, port)
        self.tend()

    def tend(self) -> None:
        """Start those that do not run."""
        if self._door is not None:
            assert self._settings.web
            wanted = self._settings.web.workers or min(os.cpu_count() or 1, _MOST_PROCESSES)
            self._processes.tend(wanted)

    def renew(self, settings: Settings) -> None:
        """Have others answer, by these settings; what is under way is finished by the old ones."""
        self._settings = settings
        self._processes.restart()
        self.tend()

    def stop(self) -> None:
        """Have them finish what they are at, and end."""
        self._processes.stop()

    def end(self) -> None:
        """Wait for their end."""
        self._processes.end()

    def _ended(self, process: int, place: int, status: int, seconds: float | None) -> None:
        self._counters.leave(place)
        self._acts.cut_off(process)
        if status:
            words = "a process of DICOMweb died" + (", starting another" if seconds else "")
            logger.error(Sentence(words, process=process))
            self._left_behind(process)

    def _serve(self, place: int) -> None:
        # Here: a node without [web] needs none of it, and its workers would share 20 MB of it.
        from scp.web.http import HttpServer
        from scp.web.request import OfNode
        from scp.web.service.application import WebService

        assert self._door is not None
        memory.bound()
        self._counters.adopt(place)
        of_node = OfNode(self._secret, self._statement, self._acts)
        service = WebService(self._settings, self._counters, of_node)
        server = HttpServer(
            self._door, service, tls=service.tls, spoken_for=service.spoken_for,
            look=lambda: self._counters.put_open(server.connections_open),
            counted=self._counters.add_connections,
        )  # fmt: skip
        telling = threading.Thread(target=_stop_when_told, args=(server, service), daemon=True)
        telling.start()
        try:
            server.run()
        finally:
            service.close(_RENEWAL_SECONDS - _GRACE_SECONDS)


def _stop_when_told(server: "HttpServer", service: "WebService") -> None:
    if child.awaited(_SIGNALS) == signal.SIGHUP:
        # Where the node is to end meanwhile, its supervisor has no more patience than with others.
        threading.Thread(target=_stop_acts_when_told, args=(service,), daemon=True).start()
        server.stop_within(_RENEWAL_SECONDS)
    else:
        service.stop_acts()
        server.stop_within(_GRACE_SECONDS)


def _stop_acts_when_told(service: "WebService") -> None:
    child.awaited(_SIGNALS - {signal.SIGHUP})
    service.stop_acts()
