"""Whether the node is alive, and whether it can serve."""

import shutil
import time

from scp import certificates, watch
from scp.settings import Settings
from scp.slots import Slots
from scp.watch import Beats
from storage import Archive, commitments
from storage.database import index_path
from storage.upkeep import fault_of_index

# A worker is well that showed a sign of life within so many beats.
_BEATS = 3


class Health:
    """What can be seen of it from beside the workers."""

    def __init__(self, settings: Settings, slots: Slots, beats: Beats) -> None:
        self.settings = settings
        self.slots = slots
        self._beats = beats
        self._seen: dict[int, tuple[int, float]] = {}

    def look(self) -> None:
        """Note the workers' signs of life: called more often than these come."""
        for worker in range(self.slots.workers):
            count = self._beats.of(worker)
            if self._seen.get(worker, (0, 0.0))[0] != count:
                self._seen[worker] = count, time.monotonic()

    @property
    def workers(self) -> int:
        """How many workers are well."""
        since = time.monotonic() - _BEATS * watch.BEAT_SECONDS
        return sum(count > 0 and seen >= since for count, seen in self._seen.values())

    def why_not_alive(self) -> str:
        """Empty where it is."""
        self.look()
        return "" if self.workers else "no worker shows a sign of life"

    def why_not_ready(self) -> str:
        """Empty where it can store and answer queries."""
        storage = self.settings.storage
        if fault := self.why_not_alive() or fault_of_index(index_path(storage.path), False):
            return fault if "worker" in fault else f"the index is {fault}"
        free, least = self.free_bytes(), self.settings.limits.free_bytes
        return f"the disk is full: {free} bytes free, free_bytes = {least}" if free < least else ""

    def free_bytes(self) -> int:
        """What the disk still takes."""
        return shutil.disk_usage(self.settings.storage.path).free

    def index_bytes(self) -> int:
        """What the index takes on the disk."""
        path = index_path(self.settings.storage.path)
        files = [path, path.with_name(f"{path.name}-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def commitments(self) -> int:
        """The requests for commitment that have not been reported on."""
        archive = Archive(self.settings.storage.path)
        return len(commitments.unfinished(archive, 0, 1))

    def expiry(self) -> float | None:
        """Until when the certificate is valid, in seconds since 1970."""
        tls = self.settings.tls
        try:
            found = certificates.read(tls.certificate) if tls else []
        except (OSError, ValueError):  # the log says so daily
            return None
        return found[0].not_after.timestamp() if found else None
