"""The archive watched for those who look at a list: by one look-up for all of a process."""

import threading
import time
from weakref import WeakKeyDictionary

from storage import Archive, ArchiveError

# Nobody is told of two states within so many seconds: each has a browser ask for its list.
_LEAST_SECONDS = 2.0
# So old a state is new enough for who waits.
_FRESH_SECONDS = 0.4

_lock = threading.Lock()
_seen: WeakKeyDictionary[Archive, tuple[float, str]] = WeakKeyDictionary()


def state(archive: Archive) -> str:
    """Another text whenever a list may be another one. Raises ArchiveError."""
    return "-".join(map(str, archive.state()))


class News:
    """The states of an archive as events, but for the one that is `known`."""

    def __init__(self, archive: Archive, known: str) -> None:
        self._archive, self._known = archive, known
        self._began, self._next = time.monotonic(), 0.0

    def __call__(self) -> bytes:
        """The event to be sent now, if any."""
        now = time.monotonic()
        if now < self._next:
            return b""
        text = _watched(self._archive, now, self._began)
        if text in ("", self._known):
            return b""
        self._known, self._next = text, now + _LEAST_SECONDS
        return f"id: {text}\nevent: arrived\ndata: {text}\n\n".encode()


def _watched(archive: Archive, now: float, since: float) -> str:
    """The state of a moment ago, but not from before `since`; empty while the index tells none."""
    with _lock:
        when, text = _seen.get(archive, (0.0, ""))
        if when >= since and now - when < _FRESH_SECONDS:
            return text
        try:
            text = state(archive)
        except ArchiveError:  # it is being made anew: what comes is told then
            text = ""
        finally:
            archive.close_thread()
        _seen[archive] = now, text
        return text
