"""The parent process: binds once, starts the workers, passes on signals.

A worker that dies is replaced, and so is one that hangs. SIGTERM and SIGINT end the node, SIGHUP
has it read its configuration again.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from scp.config import ConfigError, Settings, loader
from scp.copies.conversion.limits import BUDGET
from scp.forwarding import Forwarder
from scp.network.association import RESTARTS, Counters
from scp.network.orders import OrderCounters, OrderProcess
from scp.network.tls import Contexts, certificates, contexts
from scp.node import worker
from scp.node.upkeep.compaction import Compactor
from scp.node.upkeep.document_maker import DocumentMaker
from scp.node.upkeep.index_keeper import IndexKeeper
from scp.node.upkeep.retention import Retainer
from scp.node.upkeep.shared_keeper import SharedKeeper
from scp.node.upkeep.sweeper import Sweeper
from scp.node.upkeep.worklist_keeper import WorklistKeeper
from scp.runtime import (
    AssociationSlots,
    Attempts,
    HangDetector,
    Heartbeats,
    ListeningSockets,
    child,
    heartbeat,
    log,
    systemd,
)
from scp.web import Exporter, WebCounters, WebProcesses
from storage.diagnostics import Sentence
from storage.files import Tree, why_not
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
# A worker that dies is not started more often than this.
_RESTART_SECONDS = 1.0
# How often a start that takes long looks whether the node is to end.
_START_STEP_SECONDS = 0.2
# Beyond the workers' own grace time: one that still runs then hangs.
_KILL_SECONDS = worker.GRACE_SECONDS + 5


class _Beside(Protocol):
    def tend(self, settings: Settings) -> None:
        """Do what is due."""

    def end(self) -> None:
        """Have it end."""


class Supervisor:
    """Runs the workers until SIGTERM or SIGINT."""

    def __init__(
        self, settings: Settings, doors: ListeningSockets, tls: Contexts, is_whole: bool,
        statement: Callable[[Settings], str], run: int = 0,
    ) -> None:  # fmt: skip
        """`statement`: what gives the conformance statement as HTML; `run`: as of `take_part`."""
        self._run_number = run
        self._settings = settings
        self._doors = doors
        self._tls = tls
        self._count = settings.node.workers or os.cpu_count() or 1
        BUDGET.set(settings.storage.path, settings.limits)
        self._slots = AssociationSlots(settings.limits.associations, self._count)
        self._beats = Heartbeats(self._count + 1)  # the last is its own
        self._beats.adopt(self._count)
        self._watch = HangDetector(self._beats)
        self._counters = Counters(self._count)
        self._counters.name(settings.peers)
        of_web, of_orders = WebCounters(), OrderCounters()
        self._exporter = Exporter(
            settings, doors.metrics, self._counters, of_web, of_orders, self._slots, self._beats
        )
        self._orders = OrderProcess(settings, doors.orders, of_orders)
        self._web = WebProcesses(settings, doors.web, of_web, self._clear_of_web, statement)
        self._forwarder = Forwarder(settings, tls)
        self._worklist = WorklistKeeper(settings)
        self._workers: dict[int, int] = {}  # process id -> number
        self._due: dict[int, float] = {}  # number -> when it is started again
        self._life, self._life_end = os.pipe()
        self._data = settings.storage.path
        self._ready: dict[int, int] = {}  # number -> what can be read when it serves or has ended
        shared = SharedKeeper(settings, run) if shared_place(self._data) else None
        self._keeper = keeper = shared or IndexKeeper(self._data, is_whole)
        # What is seen to beside the index, by what it is called.
        self._beside: dict[str, _Beside] = {"retention": Retainer(keeper)}
        if isinstance(keeper, IndexKeeper):
            self._beside |= {"compaction": Compactor(keeper), "metadata": DocumentMaker(keeper)}
        else:
            self._beside |= {"sweeping": Sweeper()}
        self._certificates = certificates.CertificateWatcher()
        self._next_look = 0.0
        self._attempts = Attempts()
        # What one of them is refused leaves the others alone.
        self._tended: dict[str, Callable[[], None]] = {
            "index": lambda: self._keeper.tend(self._settings.storage.charset),
            **{name: partial(self._tend_beside, one) for name, one in self._beside.items()},
            "metrics": self._exporter.tend,
            "web": self._web.tend,
            "forwarding": self._forwarder.tend,
            "orders": self._orders.tend,
            "worklist": self._worklist.tend,
            "certificates": self._renew,
        }

    def run(self) -> None:
        """Serve; returns when all workers have ended. Raises StartError where one cannot start."""
        # Waited for: nothing interrupts, and none is lost between a look and a wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*_SIGNALS, worker.RENEW))
        self._keeper.begin(self._settings.storage.charset)
        self._forwarder.begin()
        self._worklist.begin()
        for number in range(self._count):
            self._start(number)
        self._await_start()
        self._beats.beat()
        self._exporter.begin()
        self._web.begin()
        self._orders.begin()
        host, port = self._doors.main.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        secure = f" and TLS on port={self._doors.tls.getsockname()[1]}" if self._doors.tls else ""
        title, data = self._settings.node.ae_title, self._settings.storage.path
        words = f"{title} serves {data} with workers={self._count}{secure}, listening on "
        beside = {"workers": self._count, "host": host, "port": port}
        logger.info(Sentence(f"{words}{shown}:{port}", **beside))
        systemd.notify("READY=1", f"STATUS=listening on {shown}:{port}")
        while True:
            number = child.awaited(_SIGNALS, self._seconds_until_due())
            if number == signal.SIGHUP:
                self._reload()
            elif number == signal.SIGCHLD:
                self._on_child_exit()
            elif number:
                break
            self._run_due_tasks()
        logger.info("stopping: %s", signal.Signals(number).name)
        systemd.notify("STOPPING=1")
        self._exporter.stop()
        self._forwarder.stop()
        self._orders.stop()
        self._worklist.stop()
        self._web.stop()
        self._stop()
        for one in self._beside.values():
            one.end()
        self._keeper.end()
        self._exporter.end()
        self._web.end()
        self._forwarder.end()
        self._orders.end()
        self._worklist.end()

    def _tend_beside(self, one: "_Beside") -> None:
        one.tend(self._settings)

    def _seconds_until_due(self) -> float:
        """Seconds until something is to be done."""
        due = (self._next_look, *self._due.values())
        if self._settings.tls:
            due = (*due, self._certificates.due)
        return max(min(due) - time.monotonic(), 0.0)

    def _on_child_exit(self) -> None:
        """See who has ended, and when there will be another."""
        for ended in self._reap():
            words = "died" if self._beats.of(ended) else "did not start"
            logger.error(Sentence(f"worker={ended} {words}, starting another", worker=ended))
            self._counters.add([(RESTARTS, 1)])
            self._due[ended] = time.monotonic() + _RESTART_SECONDS

    def _run_due_tasks(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        for what, tend in self._tended.items():
            self._attempts.attempt(what, tend, None)
        if self._next_look > now:
            return
        self._next_look = now + heartbeat.BEAT_SECONDS
        self._attempts.tell("the data folder cannot be used", why_not(self._data))
        systemd.notify("WATCHDOG=1")
        self._beats.beat()
        for process, number in self._workers.items():
            if self._watch.hangs(number):
                words = f"worker={number} hangs, killed: it shows no sign of life"
                logger.error(Sentence(words, worker=number))
                os.kill(process, signal.SIGKILL)

    def _renew(self) -> None:
        """Take the files of [tls] as they are, where they have changed."""
        if fresh := self._certificates.tend(self._settings, self._tls):
            self._tls = fresh
            self._forwarder.renew(self._settings, fresh)
            self._web.renew(self._settings)
            self._send(worker.RENEW)

    def _reload(self) -> None:
        """Have the workers take the configuration as it is now, unless it is wrong."""
        try:
            fresh = loader.load(self._settings.source)
            settings = loader.renewed(self._settings, fresh)
            tls = contexts(settings)
        except ConfigError as error:
            logger.error("configuration not reloaded, the old one stays: %s", error)
            return
        for warning in (*loader.warnings(fresh), *loader.fixed(self._settings, fresh)):
            logger.warning(warning)
        # For workers that are started later; those that run read the file themselves.
        self._settings, self._tls = settings, tls
        self._slots.limit = fresh.limits.associations
        BUDGET.set(settings.storage.path, settings.limits)
        self._counters.name(settings.peers)
        self._certificates.tell(settings, tls)
        self._exporter.renew(settings)
        self._web.renew(settings)
        self._forwarder.renew(settings, tls)
        self._orders.renew(settings)
        self._worklist.renew(settings)
        if isinstance(self._keeper, SharedKeeper):
            self._keeper.renew(settings)
        self._send(signal.SIGHUP)

    def _send(self, number: int) -> None:
        for process in self._workers:
            os.kill(process, number)

    def _start(self, number: int) -> None:
        """Fork a worker."""
        ready, ready_end = os.pipe()

        def serve() -> None:
            os.close(ready)
            os.close(self._life_end)
            self._slots.adopt(number)
            self._beats.adopt(number)
            self._counters.adopt(number)
            worker.run(
                self._settings, self._doors, self._tls, self._slots, self._beats,
                self._counters, ready_end, self._life, self._run_number,
            )  # fmt: skip

        self._watch.forget(number)
        self._workers[child.fork(f"worker={number}", serve)] = number
        os.close(ready_end)
        if number in self._ready:
            os.close(self._ready[number])
        self._ready[number] = ready

    def _await_start(self) -> None:
        """Wait until each worker serves or has ended, or the node is to end."""
        waiting = set(self._ready.values())
        while waiting and not signal.sigpending() & {signal.SIGTERM, signal.SIGINT}:
            waiting -= set(select.select(waiting, (), (), _START_STEP_SECONDS)[0])

    def _reap(self) -> list[int]:
        """The numbers of the workers that have ended."""
        ended = []
        for process in list(self._workers):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                number = self._workers.pop(process)
                if status:
                    self._keeper.left_behind()
                for title in self._slots.callers(number):
                    self._counters.associate(title, "lost")
                self._slots.clear(number)
                self._clear(process)
                ended.append(number)
        return ended

    def _clear_of_web(self, process: int) -> None:
        self._keeper.left_behind()
        self._clear(process)

    def _clear(self, process: int) -> None:
        try:
            Tree(self._data, self._settings.storage.sync).clear_of(process)
        except OSError as error:
            logger.warning("what a worker left is not cleared: %s", log.one_line(error))

    def _stop(self) -> None:
        """Have the workers finish, and kill what does not."""
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + _KILL_SECONDS
        while self._workers:
            left = deadline - time.monotonic()
            if left <= 0:
                for process, number in self._workers.items():
                    logger.error(Sentence(f"worker={number} hangs, killed", worker=number))
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                    self._keeper.left_behind()
                return
            self._reap()
            if self._workers:
                child.awaited((signal.SIGCHLD,), min(left, 1.0))
