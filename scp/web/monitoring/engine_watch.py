"""Whether the engines of an archive that several nodes share answer, looked at now and then."""

import threading
from pathlib import Path

from storage.sharing.answering import SharedEngine, fault_of

LOOK_SECONDS = 5.0


class EngineWatch:
    """Looks by a thread of its own, so that who asks waits for no engine that is gone."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._faults: dict[str, str] = {}
        self._looked = threading.Event()
        threading.Thread(target=self._look, name="engines", daemon=True).start()

    def faults(self) -> dict[str, str]:
        """Why each does not answer, as it was seen last; empty texts of those that do."""
        self._looked.wait()
        return dict(self._faults)

    def _look(self) -> None:
        while True:
            self._faults = {engine: fault_of(self._data, engine) for engine in SharedEngine}
            self._looked.set()
            threading.Event().wait(LOOK_SECONDS)
