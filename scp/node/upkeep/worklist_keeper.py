"""[worklist]: what arrives followed into the worklist, and what follows from time alone.

A process of its own, behind the stores: nothing of it holds up one.
"""

import logging
import os
import signal
from pathlib import Path

from scp.config import Settings
from scp.network.services.worklist import rules_of
from scp.runtime import Attempts, AuditTrail, child, memory, trail
from storage import Archive
from storage.diagnostics import ArchiveError, Event
from storage.worklist import Followed, Follower, Worklist, day_before

logger = logging.getLogger(__name__)

# What `ps` shows.
NAME = "worklist"
LOOK_SECONDS = 1.0
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 2.0, 60.0
_GRACE_SECONDS = 5.0
# Lower than that of the workers: who sends should not notice.
_NICENESS = 5
# So long an entry is looked at behind its day: images may come late.
_DAYS = 31


class WorklistKeeper:
    """The process, seen from the supervisor, which calls `tend` every few seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes = child.KeptProcesses(
            NAME, lambda _: _run(self._settings), child.tell_end(NAME, logger),
            retry_seconds=(_RETRY_SECONDS, _MOST_RETRY_SECONDS), grace_seconds=_GRACE_SECONDS,
            takes_turns=True,
        )  # fmt: skip

    def begin(self) -> None:
        """Make the folder of entries where it is ours; before anybody is told that the node serves.

        Another one is for who set it to make: that it is gone must not look as if it were empty.
        """
        data, folder = self._settings.storage.path, self._settings.worklist_folder
        if self._settings.worklist is None:
            return
        if folder is None:
            _tell_of_files(data / "worklist")
        if folder is None or folder.parent != data:
            return
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            logger.error("no folder for the worklist: %s: %s", folder, error.strerror)

    def tend(self) -> None:
        """Start it where it does not run, and see to its end where it should."""
        self._processes.tend(1 if self._settings.worklist else 0)

    def renew(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings
        self.begin()
        self._processes.restart()

    def stop(self) -> None:
        """Have it end, and not start again."""
        self._processes.stop()

    def end(self) -> None:
        """Wait for its end."""
        self._processes.end()


def _tell_of_files(folder: Path) -> None:
    """Say so where there are files that nobody reads."""
    if found := [*folder.glob("*.json"), *folder.glob("*.wl")]:
        words = (
            f"{folder}: {len(found)} files of a worklist are not read, entries lie in PostgreSQL: "
            "name a folder that all nodes have as [worklist] folder, or `minipacs worklist import`"
        )
        logger.warning(words)


def _run(settings: Settings) -> None:
    """Look, until SIGTERM."""
    memory.bound()
    os.nice(_NICENESS)
    storage, wanted = settings.storage, settings.worklist
    assert wanted is not None
    archive = Archive(storage.path, storage.sync)
    worklist = Worklist(storage.path, archive.journal, settings.worklist_folder, storage.charset)
    follower = Follower(worklist, archive, rules_of(wanted))
    teller = _Teller(worklist, AuditTrail(*trail(settings)))
    is_more = False
    # Blocked since the supervisor's start: it is waited for, and interrupts nothing.
    while not child.awaited((signal.SIGTERM,), 0.0 if is_more else LOOK_SECONDS):
        try:
            found = follower.look(day_before(wanted.keep + _DAYS))
            teller.tell(found)
            is_more = found.is_more
        except ArchiveError as error:  # which may pass
            teller.attempts.tell("worklist waits", str(error))
            is_more = False
            continue
        teller.attempts.tell("worklist waits", "")


class _Teller:
    """Says what a look has found, and what of the folder is not taken: once."""

    def __init__(self, worklist: Worklist, audit: AuditTrail) -> None:
        self.attempts = Attempts()
        self._worklist, self._audit = worklist, audit
        self._faults: set[tuple[str, str]] = set()

    def tell(self, found: Followed) -> None:
        """Say it. Raises ResourceError."""
        faults = {(one.file, one.words) for one in self._worklist.faults()}
        for file, words in sorted(faults - self._faults):
            logger.warning(Event("worklist file not taken", words, file=file))
        self._faults = faults
        for one in found.completed:
            entry, arrived = one.entry, one.evidence.arrived
            fields = {"accession": entry.accession, "step": entry.step_id,
                      "study": entry.study_uid}  # fmt: skip
            count = arrived.instances if arrived else 0
            logger.info(Event("worklist entry completed", **fields, by="images", instances=count))
            self._audit.write("worklist-state", **fields, state=str(one.state), by="images")
        for uid in found.abandoned:
            logger.warning(Event("performed step discontinued", "no word of it for too long",
                                 step=uid))  # fmt: skip
            self._audit.write("worklist-state", step=uid, state="DISCONTINUED", by="node")
        for one in found.conflicts:
            for came in one.conflicts:
                words = "images have its numbers, and are of another patient"
                logger.warning(Event("worklist conflict", words, accession=one.entry.accession,
                                     entry=one.held.file, study=came.study_uid))  # fmt: skip
