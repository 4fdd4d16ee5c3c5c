"""The parent process: binds once, starts the workers, restarts one that dies, passes on signals.

SIGTERM and SIGINT end the node, SIGHUP has it read its configuration again.
"""

import logging
import os
import signal
import socket
import ssl
import time

from scp import config, log, worker
from scp.config import ConfigError
from scp.keeper import Keeper, child
from scp.settings import Settings
from scp.slots import Slots
from scp.tls import server_context
from storage import received as received_bytes
from storage import settle
from storage.errors import ArchiveError
from storage.tree import Tree

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
_BACKLOG = 256
# A worker that dies is not started more often than this.
_RESTART_SECONDS = 1.0
# How often the index is brought to the disk, where anything was received.
_SETTLE_SECONDS = 60.0
# A small index is rebuilt before anybody is served, larger ones beside that.
_REBUILD_SECONDS = 5.0
# Beyond the workers' own grace time: one that still runs then hangs.
_KILL_SECONDS = worker.GRACE_SECONDS + 5


class StartError(Exception):
    """The node cannot start; the text says why, to a person."""


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises StartError where the address cannot be had."""
    host, port = settings.node.host, settings.node.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        raise StartError(
            f"{settings.source}: [node] host, port: cannot listen on {host}:{port}: "
            f"{error.strerror or error}"
        ) from error
    return listening


class Supervisor:
    """Runs the workers until SIGTERM or SIGINT."""

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        is_whole: bool = True,
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._tls = tls
        self._count = settings.node.workers or os.cpu_count() or 1
        self._slots = Slots(settings.limits.associations, self._count)
        self._workers: dict[int, int] = {}  # process id -> number
        self._life, self._life_end = os.pipe()
        self._keeper = Keeper(settings, self._life, self._life_end)
        self._is_whole = is_whole
        self._data = settings.storage.path
        self._received = received_bytes(self._data)

    def run(self) -> None:
        """Serve; returns when all workers have ended. Raises StartError where one cannot start."""
        # Taken by sigwait: nothing interrupts, and none is lost between a look and a wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if not self._is_whole:
            self._keeper.start()
            if signal.sigtimedwait((signal.SIGCHLD,), _REBUILD_SECONDS):
                self._reap_keeper()
        for number in range(self._count):
            self._start(number)
        host, port = self._listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        logger.info(
            "%s serves %s with workers=%d, listening on %s:%d",
            self._settings.node.ae_title, self._settings.storage.path, self._count, shown, port,
        )  # fmt: skip
        while True:
            found = signal.sigtimedwait(_SIGNALS, _SETTLE_SECONDS)
            if found is None:
                # Whose receipt was there a minute ago has its row by now.
                before, self._received = self._received, received_bytes(self._data)
                self._settle(before)
                if not self._is_whole and not self._keeper.runs:
                    self._keeper.start()
                continue
            number = found.si_signo
            if number == signal.SIGHUP:
                self._reload()
                continue
            if number != signal.SIGCHLD:
                break
            self._reap_keeper()
            for ended in self._reap():
                logger.error("worker=%d died, starting another", ended)
                time.sleep(_RESTART_SECONDS)
                self._start(ended)
        logger.info("stopping: %s", signal.Signals(number).name)
        self._stop()
        self._settle()

    def _reap_keeper(self) -> None:
        if (ended_well := self._keeper.reap()) is not None:
            self._is_whole = ended_well

    def _reload(self) -> None:
        """Have the workers take the configuration as it is now, unless it is wrong."""
        try:
            fresh = config.load(self._settings.source)
            tls = server_context(fresh)
        except ConfigError as error:
            logger.error("configuration not reloaded, the old one stays: %s", error)
            return
        for warning in (*config.warnings(fresh), *config.fixed(self._settings, fresh)):
            logger.warning(warning)
        # For workers that are started later; those that run read the file themselves.
        self._settings, self._tls = config.renewed(self._settings, fresh), tls
        self._slots.limit = fresh.limits.associations
        for process in self._workers:
            os.kill(process, signal.SIGHUP)

    def _settle(self, end: int | None = None) -> None:
        """Have a start after an unclean end read as little of the journal as can be."""
        try:
            settle(self._data, end)
        except (OSError, ArchiveError) as error:
            logger.warning("the index is not settled: %s", log.one_line(error))

    def _start(self, number: int) -> None:
        """Fork a worker and wait until it serves."""
        ready, ready_end = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ready)
            os.close(self._life_end)
            child(lambda: self._be_worker(number, ready_end), f"worker={number}")
        os.close(ready_end)
        self._workers[process] = number
        served = os.read(ready, 1)
        os.close(ready)
        if not served:
            logger.error("worker=%d did not start", number)

    def _be_worker(self, number: int, ready: int) -> None:
        self._slots.adopt(number)
        worker.run(self._settings, self._listening, self._tls, self._slots, ready, self._life)

    def _reap(self) -> list[int]:
        """The numbers of the workers that have ended."""
        ended = []
        for process in list(self._workers):
            if os.waitpid(process, os.WNOHANG)[0]:
                number = self._workers.pop(process)
                self._slots.clear(number)
                self._clear(process)
                ended.append(number)
        return ended

    def _clear(self, process: int) -> None:
        try:
            Tree(self._data, self._settings.storage.sync).clear_of(process)
        except OSError as error:
            logger.warning("what a worker left is not cleared: %s", log.one_line(error))

    def _stop(self) -> None:
        """Have the workers finish, and kill what does not."""
        self._keeper.stop()
        for process in self._workers:
            os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + _KILL_SECONDS
        while self._workers:
            left = deadline - time.monotonic()
            if left <= 0:
                for process, number in self._workers.items():
                    logger.error("worker=%d hangs, killed", number)
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                return
            self._reap()
            if self._workers:
                signal.sigtimedwait((signal.SIGCHLD,), min(left, 1.0))
