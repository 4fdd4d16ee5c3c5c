"""A worker process: opens the archive, serves associations, and drains when it is told to."""

import logging
import os
import signal
import socket
import ssl
from dataclasses import replace

from scp import config, entity
from scp.audit import Audit, trail
from scp.commitment import Reporter
from scp.config import ConfigError
from scp.handlers import HANDLERS
from scp.listener import Listener
from scp.node import Node
from scp.settings import Settings
from scp.slots import Slots
from scp.tls import server_context
from scp.watch import Beats
from storage import Archive, OnConflict

logger = logging.getLogger(__name__)

# How long associations may take to finish once the node has been told to stop.
GRACE_SECONDS = 10.0
# More signals than can come between two looks; each is a byte.
_MANY = 4096


def run(
    settings: Settings,
    listening: socket.socket,
    tls: ssl.SSLContext | None,
    slots: Slots,
    beats: Beats,
    ready: int,
    life: int,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor's end of the pipe `life` closes.

    Writes a byte to the descriptor `ready` when it serves.
    """
    storage = settings.storage
    archive = Archive(
        storage.path, storage.sync, OnConflict(storage.on_conflict), settings.limits.free_bytes
    )
    reporter = Reporter(settings, archive)
    node = Node(settings, archive, entity.build(settings), slots, reporter, Audit(*trail(settings)))
    listener = Listener(node, HANDLERS, listening, tls, beats.beat)
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    reporter.resume(slots.own, slots.workers)
    beats.beat()
    os.write(ready, b"1")
    while listener.serve(stop, life):
        if set(stop.recv(_MANY)) != {signal.SIGHUP}:
            listener.drain(GRACE_SECONDS)
            return
        _reload(node, listener)


def _reload(node: Node, listener: Listener) -> None:
    """Take the configuration as it is now, for associations from now on."""
    try:
        settings = config.renewed(node.settings, config.load(node.settings.source))
        tls = server_context(settings)
    except ConfigError as error:  # it was right a moment ago, for the supervisor
        logger.error("configuration not reloaded, the old one stays: %s", error)
        return
    node.archive.set_policy(OnConflict(settings.storage.on_conflict), settings.limits.free_bytes)
    node.reporter.settings = settings
    node.slots.limit = settings.limits.associations
    node.audit.renew(*trail(settings))
    listener.renew(replace(node, settings=settings, entity=entity.build(settings)), tls)
    logger.info("configuration reloaded source=%s", settings.source)
