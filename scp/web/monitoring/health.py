"""Whether the node is alive, and whether it can serve."""

import mmap
import os
import shutil
import time
from collections import Counter

from scp.config import Settings
from scp.network.services.worklist import rules_of
from scp.network.tls import certificates
from scp.runtime import AssociationSlots, Heartbeats, heartbeat
from scp.web.monitoring.engine_watch import EngineWatch
from storage.journal import journal_of
from storage.maintenance.recovery import index_bytes, why_not_usable
from storage.outbox import Standing, standings_beside
from storage.sharing.answering import SharedEngine
from storage.sharing.place import shared_place
from storage.worklist import State, Worklist, day_before

# Who is well shows a sign of life within so many beats.
_BEATS = 3


class Health:
    """What can be seen of it from beside the workers; made before they are forked."""

    def __init__(self, settings: Settings, slots: AssociationSlots, beats: Heartbeats) -> None:
        self.settings = settings
        self.slots = slots
        self._beats = beats
        self._seen: dict[int, tuple[int, float]] = {}
        self._stopping = mmap.mmap(-1, 1)
        self._engines: EngineWatch | None = None

    def watch_engines(self) -> None:
        """Look at what an archive that is shared lies in, from now on, in this process."""
        data = self.settings.storage.path
        self._engines = EngineWatch(data) if shared_place(data) else None

    @property
    def engines(self) -> dict[str, str]:
        """Why each of them does not answer, empty texts of those that do; none where it is not."""
        return self._engines.faults() if self._engines else {}

    def stop(self) -> None:
        """Note that the node is about to end, for all processes."""
        self._stopping[0] = 1

    def look(self) -> None:
        """Note the signs of life: called more often than these come."""
        for number in range(self.slots.workers + 1):
            count = self._beats.of(number)
            if self._seen.get(number, (0, 0.0))[0] != count:
                self._seen[number] = count, time.monotonic()

    @property
    def workers(self) -> int:
        """How many workers are well."""
        return sum(self._is_well(number) for number in range(self.slots.workers))

    def why_not_alive(self) -> str:
        """Empty where it is."""
        self.look()
        if not self._is_well(self.slots.workers):
            return "the supervisor shows no sign of life"
        return "" if self.workers else "no worker shows a sign of life"

    def why_not_ready(self) -> str:
        """Empty where it can store and answer queries."""
        if self._stopping[0]:
            return "the node is stopping"
        if fault := self.why_not_alive():
            return fault
        storage, limits = self.settings.storage, self.settings.limits
        if fault := why_not_usable(storage.path, limits.free_bytes):
            return fault
        return self._why_no_engine() or self._why_no_worklist()

    def _why_no_engine(self) -> str:
        """Empty where what a shared archive lies in answers; what goes on meanwhile otherwise."""
        faults = self.engines
        if fault := faults.get(SharedEngine.DATABASE, ""):
            return f"the database does not answer, nothing is stored or found: {fault}"
        if fault := faults.get(SharedEngine.STORE, ""):
            return f"the store does not answer, nothing is stored, queries go on: {fault}"
        return ""

    def _why_no_worklist(self) -> str:
        """Empty where modalities can be answered, or are not to be."""
        folder = self.settings.worklist_folder
        if not (self.settings.worklist and folder) or os.access(folder, os.R_OK | os.X_OK):
            return ""
        return f"the worklist's folder cannot be read: {folder}"

    def worklist(self) -> tuple[Counter[str], int] | None:
        """Entries of today by state, and how many files are not taken; None: there is no worklist.

        Raises ResourceError.
        """
        settings = self.settings
        if settings.worklist is None:
            return None
        storage = settings.storage
        worklist = Worklist(
            storage.path, journal_of(storage.path, sync=False), settings.worklist_folder,
            storage.charset,
        )  # fmt: skip
        try:
            today, rules = day_before(0), rules_of(settings.worklist)
            known = [one for one in worklist.known(today, rules) if one.entry.day == today]
            states = Counter({str(state): 0 for state in State})
            states.update(str(one.state) for one in known)
            return states, len(worklist.faults())
        finally:
            worklist.close()

    def free_bytes(self) -> int:
        """What the disk still takes. Raises OSError."""
        return shutil.disk_usage(self.settings.storage.path).free

    def index_bytes(self) -> int | None:
        """What the index takes on the disk; None: it lies elsewhere. Raises OSError."""
        return index_bytes(self.settings.storage.path)

    def forwarding(self, seconds: float) -> dict[str, Standing]:
        """How far each destination is, of [[forward]] and of notices. Raises ResourceError."""
        found = standings_beside(self.settings.storage.path, seconds)
        names = sorted({*found, *self.settings.destinations})
        return {name: found.get(name, Standing()) for name in names}

    def expiry(self) -> float | None:
        """Until when the certificate is valid, in seconds since 1970. Raises OSError."""
        tls = self.settings.tls
        try:
            found = certificates.read(tls.certificate) if tls else []
        except ValueError:  # the log says so daily
            return None
        return found[0].not_after.timestamp() if found else None

    def lists_expiry(self) -> float | None:
        """Until when the first revocation list to end is valid, the same way. Raises OSError."""
        tls = self.settings.tls
        if tls is None or not tls.crl or tls.ca is None:
            return None
        try:
            return certificates.lists_end(tls.crl, tls.ca).timestamp()
        except ValueError:  # the log says so
            return None

    def _is_well(self, number: int) -> bool:
        count, seen = self._seen.get(number, (0, 0.0))
        return count > 0 and time.monotonic() - seen <= _BEATS * heartbeat.BEAT_SECONDS
