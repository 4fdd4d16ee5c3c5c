"""A worker process: opens the archive, serves associations, and drains when it is told to."""

import logging
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace

from scp.config import ConfigError, Settings, loader
from scp.copies.conversion.limits import BUDGET
from scp.network.association import Counters, WorkerContext, application_entity
from scp.network.services import HANDLERS, Reporter
from scp.network.tls import Contexts, contexts
from scp.node.listener import Listener
from scp.runtime import (
    AssociationSlots,
    Attempts,
    AuditTrail,
    Heartbeats,
    ListeningSockets,
    memory,
    trail,
)
from storage import Archive, OnConflict
from storage.diagnostics import Event, ResourceError
from storage.files import Bounds
from storage.sharing.nodes import Duty, OfRun, OfWorker, registry_of

logger = logging.getLogger(__name__)

# How long associations may take to finish once the node has been told to stop.
GRACE_SECONDS = 10.0
# Has a worker read the files of [tls] again, and nothing else.
RENEW = signal.SIGUSR1
# More signals than can come between two looks; each is a byte.
_MANY = 4096
# Threads that read take turns this often: an echo has some twenty turns of its own to wait for.
_SWITCH_SECONDS = 0.001


def run(
    settings: Settings,
    doors: ListeningSockets,
    tls: Contexts,
    slots: AssociationSlots,
    beats: Heartbeats,
    counters: Counters,
    ready: int,
    life: int,
    run_number: int,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor's end of the pipe `life` closes.

    Writes a byte to the descriptor `ready` when it serves.
    """
    _allow_descriptors()
    sys.setswitchinterval(_SWITCH_SECONDS)
    memory.bound()
    trim = memory.Trimmer()
    storage = settings.storage
    archive = Archive(
        storage.path, storage.sync, OnConflict(storage.on_conflict), settings.limits.free_bytes,
        Bounds(storage.superseded_copies, storage.superseded_percent), logged=True,
    )  # fmt: skip
    nodes = registry_of(storage.path)
    own, workers = slots.own, slots.workers
    duty: Duty = OfRun(nodes, run_number, own) if nodes else OfWorker(own, workers)
    reporter = Reporter(settings, archive, tls, counters, duty)
    entity, audit = application_entity.build(settings), AuditTrail(*trail(settings))
    node = WorkerContext(settings, archive, entity, slots, reporter, audit, tls, counters)

    attempts, resumed = Attempts(), False

    def resume() -> None:
        nonlocal resumed
        if not resumed:
            reporter.resume()
            resumed = True

    def beat() -> None:
        beats.beat()
        trim()
        with suppress(ResourceError):  # tried again with the next beat
            archive.withdrawals.flush()
        attempts.attempt("commitments are not resumed", resume, None)

    listener = Listener(node, HANDLERS, doors, beat)
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, RENEW):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    attempts.attempt("commitments are not resumed", resume, None)
    memory.begin()
    beats.beat()
    os.write(ready, b"1")
    try:
        while listener.serve(stop, life):
            found = set(stop.recv(_MANY))
            if found - {signal.SIGHUP, RENEW}:
                listener.drain(GRACE_SECONDS)
                return
            node = (_reload if signal.SIGHUP in found else _renew)(node, listener)
    finally:
        archive.close()
        # Of Ctrl-C a worker hears twice, from the terminal and from the supervisor; the socket that
        # signals are written to is closed next.
        signal.set_wakeup_fd(-1)


def _allow_descriptors() -> None:
    """Have as many as may be had: a connection takes two, and a crowd more than the usual 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _reload(node: WorkerContext, listener: Listener) -> WorkerContext:
    """Take the configuration as it is now, for associations from now on."""
    try:
        settings = loader.renewed(node.settings, loader.load(node.settings.source))
        tls = contexts(settings)
    except ConfigError as error:  # it was right a moment ago, for the supervisor
        logger.error("configuration not reloaded, the old one stays: %s", error)
        return node
    storage = settings.storage
    node.archive.set_policy(
        OnConflict(storage.on_conflict), settings.limits.free_bytes,
        Bounds(storage.superseded_copies, storage.superseded_percent),
    )  # fmt: skip
    node.reporter.settings, node.reporter.tls = settings, tls
    node.slots.limit = settings.limits.associations
    BUDGET.set(settings.storage.path, settings.limits)
    node.audit.renew(*trail(settings))
    node.counters.learn()
    node = replace(node, settings=settings, entity=application_entity.build(settings), tls=tls)
    listener.renew(node)
    logger.info(Event("configuration reloaded", source=settings.source))
    return node


def _renew(node: WorkerContext, listener: Listener) -> WorkerContext:
    """Take the files of [tls] as they are now, for associations from now on."""
    try:
        tls = contexts(node.settings)
    except ConfigError as error:  # they were right a moment ago, for the supervisor
        logger.error("certificate not renewed, the old one stays: %s", error)
        return node
    node.reporter.tls = tls
    node = replace(node, tls=tls)
    listener.renew(node)
    logger.info("certificate renewed")
    return node
