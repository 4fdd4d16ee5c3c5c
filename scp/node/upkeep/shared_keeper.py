"""What is to be done for an archive that several nodes share, while this one serves.

There is nothing to catch up with: what was committed is the truth. All that takes the database is
done by a process of its own, so that the supervisor never waits for one that does not answer.
"""

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from scp.config import Settings
from scp.node.acts.opening import opened, prepare_shared
from scp.node.upkeep import membership
from scp.node.upkeep.document_maker import tidy
from scp.runtime import Attempts, child, log, memory
from storage.archive.finding import key_filling
from storage.diagnostics import Event, FolderError
from storage.journal import Journal, journal_of, keep_near
from storage.sharing.nodes import new_run, turn

logger = logging.getLogger(__name__)

NAME = "upkeep"  # what `ps` shows
LOOK_SECONDS = 5.0
# How often it is looked whether documents take too much room, or were left of what is gone.
_TIDY_SECONDS = 3600.0
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 2.0, 60.0
_GRACE_SECONDS = 5.0
# Of several nodes one fills in the keys that were added.
_FILLING = "keys"
_RENEW = signal.SIGHUP


def take_part(settings: Settings) -> int:
    """Have this node be one of those that serve the archive; the number of its run.

    Raises FolderError, which says what to do.
    """
    run = new_run()

    def work() -> None:
        prepare_shared(settings)
        try:
            membership.enter(settings, run)
        except OSError as error:
            raise FolderError(f"{error.filename}: {error.strerror}") from error

    # Its connections are that process's alone: who is forked from one that has some would hang.
    if fault := child.fault_apart("preparing the archive", work):
        raise FolderError(fault)
    return run


class SharedKeeper:
    """The process, seen from the supervisor, which calls `tend` every few seconds."""

    is_whole = True  # what does not answer is told by who asks it

    def __init__(self, settings: Settings, run: int) -> None:
        self._settings = settings
        self._processes = child.KeptProcesses(
            NAME, lambda _: _run(self._settings, run), child.tell_end(NAME, logger),
            retry_seconds=(_RETRY_SECONDS, _MOST_RETRY_SECONDS), grace_seconds=_GRACE_SECONDS,
            takes_turns=True, to_renew=(_RENEW, _GRACE_SECONDS),
        )  # fmt: skip

    def begin(self, charset: str) -> None:
        """Nothing is to be waited for."""

    def left_behind(self) -> None:
        """Nothing is: of what was not committed nobody was told."""

    def tend(self, charset: str) -> None:
        """Start it where it does not run."""
        self._processes.tend(1)

    def renew(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings
        self._processes.restart()

    def end(self) -> None:
        """Wait for its end: the others are told that this node is gone."""
        self._processes.end()


def _run(settings: Settings, run: int) -> None:
    """Look, until SIGTERM or what has another come in its place."""
    child.be_nice()
    memory.bound()
    data, attempts = settings.storage.path, Attempts()
    journal, member = journal_of(data, sync=False), membership.Membership(settings, run)
    member.begin()
    works: dict[str, Callable[[], None]] = {
        "the journal's catalogue is behind": lambda: _read(journal),
        "the keys of the index are behind": lambda: _fill(data),
        "metadata are not made room": _Tidier(settings).look,
    }
    # Blocked since the supervisor's start: they are waited for, and interrupt nothing.
    while not (ended := child.awaited((signal.SIGTERM, _RENEW), LOOK_SECONDS)):
        for what, work in works.items():
            attempts.attempt(what, work, None)
    if ended == signal.SIGTERM:
        member.leave()


def _read(journal: Journal) -> None:
    """Have the catalogue tell what the journal does: who asks it first then waits for none."""
    while keep_near(journal):
        time.sleep(0)


def _fill(data: Path) -> None:
    """Fill in the keys that were added to the index, where it is for this node to do."""
    if not key_filling.is_due(data):
        return
    with turn(data, _FILLING, 0.0) as is_ours:
        if is_ours:
            began = time.monotonic()
            key_filling.fill(data, log.LoggedProgress("filling the keys of the index"))
            logger.info(Event("index keys filled", seconds=time.monotonic() - began))


class _Tidier:
    """Has this node's documents take no more than they may, and none be of what is gone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._due = 0.0

    def look(self) -> None:
        if self._due > time.monotonic():
            return
        self._due = time.monotonic() + _TIDY_SECONDS
        with opened(self._settings) as archive:
            tidy(archive, self._settings.storage.metadata_bytes)
