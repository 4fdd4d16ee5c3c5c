"""The rules of [retention] at work: of a command, and in the node each hour."""

import logging
import os
import signal
import time
from typing import Protocol

from scp.config import Settings
from scp.node.acts.opening import changing
from scp.node.upkeep.index_keeper import IndexKeeper
from scp.node.upkeep.shared_keeper import SharedKeeper
from scp.runtime import MANY, child, tell
from storage import Archive
from storage.diagnostics import ArchiveError, Event
from storage.maintenance.changes import Plan, Rules, deletion, retention
from storage.outbox import opened, studies_under_way
from storage.sharing.nodes import turn

logger = logging.getLogger(__name__)

# How soon after a start the rules are looked at, and how often from then on.
_FIRST_SECONDS = 60.0
_EVERY_SECONDS = 3600.0
# Of several nodes one does it in that time; each asks a little later than an hour before.
JOB, _NEARLY = "retention", 0.9


class RetentionProgress(Protocol):
    """Is told how far it has come."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """What comes now, and how much of it there is."""

    def advance(self, count: int) -> None:
        """How much more is done."""


def rules(settings: Settings) -> Rules:
    """The rules that are in force."""
    return Rules(**dict(settings.retention))


def planned(settings: Settings, archive: Archive) -> Plan:
    """What the rules let go; what is still to be forwarded stays. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as queue:
        under_way = studies_under_way(queue) if queue else frozenset[str]()
    return retention.plan(archive, rules(settings), under_way)


def is_wanted(settings: Settings) -> bool:
    """Whether there is a rule."""
    return rules(settings) != Rules()


class Retaining:
    """What was done of a plan; the audit trail is told of it, however it ends."""

    def __init__(
        self, settings: Settings, archive: Archive, progress: RetentionProgress | None
    ) -> None:
        self._settings, self._archive, self._progress = settings, archive, progress
        self._studies: list[str] = []
        self._instances = self._purged = 0

    @property
    def words(self) -> str:
        """Counts of what was done."""
        studies, instances, purged = self.counts.values()
        return f"studies={studies} instances={instances} purged files={purged}"

    @property
    def counts(self) -> dict[str, int]:
        """The same for a machine."""
        return {
            "studies": len(self._studies), "instances": self._instances, "purged": self._purged,
        }  # fmt: skip

    def apply(self, plan: Plan) -> None:
        """Do it. Raises ArchiveError."""
        total = sum(one.instances for one in plan.studies) + len(plan.superseded)
        if self._progress:
            self._progress.begin("deleting", total, "files")
        outcome = "interrupted"
        try:
            self._apply(plan)
            outcome = "done"
        except ArchiveError as error:
            outcome = str(error)
            raise
        finally:
            tell(
                self._settings, "retain", studies=self._studies[:MANY], outcome=outcome,
                instances=self._instances, purged=self._purged,
            )  # fmt: skip

    def _apply(self, plan: Plan) -> None:
        for _ in deletion.purge(plan.superseded, self._archive):
            self._purged += 1
            self._advance()
        for due in plan.studies:
            found = retention.retain(self._archive, due, plan.end, self._settings.storage.charset)
            before = self._instances
            try:
                for change in found:
                    self._instances += change
                    self._advance()
            finally:
                if self._instances > before:
                    self._studies.append(due.study)

    def _advance(self) -> None:
        if self._progress:
            self._progress.advance(1)


class Retainer:
    """Has a process of its own apply the rules; the supervisor calls `tend` every few seconds."""

    def __init__(self, keeper: IndexKeeper | SharedKeeper) -> None:
        self._keeper = keeper
        self._process = 0
        self._due = time.monotonic() + _FIRST_SECONDS

    def tend(self, settings: Settings) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._process:
            self._reap()
        if self._process or self._due > now:
            return
        if not is_wanted(settings) or not self._keeper.is_whole:
            return
        self._due = now + _EVERY_SECONDS
        self._process = child.fork("rules not applied", lambda: _apply(settings))

    def end(self) -> None:
        """Have it end at once: what it has in hand is brought to its end by the next start."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            self._reap(wait=True)

    def _reap(self, wait: bool = False) -> None:
        found, status = os.waitpid(self._process, 0 if wait else os.WNOHANG)
        if found:
            self._process = 0
            if status:
                self._keeper.left_behind()


def _apply(settings: Settings) -> None:
    child.be_nice()
    with turn(settings.storage.path, JOB, _EVERY_SECONDS * _NEARLY) as is_ours:
        if is_ours:
            _apply_rules(settings)


def _apply_rules(settings: Settings) -> None:
    with changing(settings) as archive:
        found = planned(settings, archive)
        if found.wrong:
            words = "receipts have a time that cannot be true"
            logger.warning(Event(words, receipts=len(found.wrong)))
        for due in found.studies:
            logger.info("retention takes %s", due)
        if found.studies or found.superseded:
            done = Retaining(settings, archive, None)
            done.apply(found)
            logger.info("retention done %s", done.words)
