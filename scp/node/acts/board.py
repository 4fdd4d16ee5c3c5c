"""What was begun on the page, and how far it has come, for all processes of [web].

Whoever sends a form twice may be answered by two processes: so each act has a key, that one of
them alone can begin. What a process that was killed had begun is told as cut off.
"""

import json
import mmap
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from scp.runtime import SharedLock
from storage.diagnostics import ResourceError

UNDER_WAY, DONE, FAILED, INTERRUPTED = "under_way", "done", "failed", "interrupted"
# So long a key keeps its place, and so long a form may be sent that has it.
KEPT_SECONDS = 3600
_PLACES, _PLACE_BYTES, _KEY_BYTES = 512, 4096, 32
_MOST_BYTES = _PLACE_BYTES - _KEY_BYTES
_LOCK_SECONDS = 5.0
_DETAILS = "details"


class ActBoard:
    """Made before the processes are forked; safe to use from many threads."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PLACES * _PLACE_BYTES)
        self._lock = SharedLock("acts", _LOCK_SECONDS)

    def begin(self, key: str, told: Mapping[str, Any]) -> bool:
        """Begin an act; False where that was done before. Raises ResourceError where too many are.

        `key` is of 32 ASCII characters at most.
        """
        with self._lock.held():
            free, oldest = -1, time.time() - KEPT_SECONDS
            for place, held in self._places():
                if held == key:
                    return False
                if not held:
                    free = place
                    break
                one = self._told(place)
                if one["state"] != UNDER_WAY and one["at"] < oldest:
                    free, oldest = place, one["at"]
            if free < 0:
                raise ResourceError("too much was begun within an hour; try again later")
            begun = {"state": UNDER_WAY, "at": time.time(), "process": os.getpid(), **told}
            self._put(free, key, begun)
            return True

    def put(self, key: str, **told: Any) -> None:
        """Note how far it is."""
        with self._lock.held():
            place = self._find(key)
            if place is not None:
                self._put(place, key, self._told(place) | told)

    def told(self, key: str) -> dict[str, Any] | None:
        """What is known of an act."""
        with self._lock.held():
            place = self._find(key)
            return None if place is None else self._told(place)

    def cut_off(self, process: int) -> None:
        """Note that a process has ended: what it was at is done by nobody."""
        with self._lock.held():
            for place, held in self._places():
                one = self._told(place) if held else {}
                if one.get("process") == process and one["state"] == UNDER_WAY:
                    self._put(place, held, one | {"state": INTERRUPTED})

    def _places(self) -> Iterator[tuple[int, str]]:
        """Each place with its key, up to the first that nobody has had yet, whose key is empty."""
        for place in range(_PLACES):
            start = place * _PLACE_BYTES
            key = self._memory[start : start + _KEY_BYTES].rstrip(b"\0").decode()
            yield place, key
            if not key:
                return

    def _find(self, key: str) -> int | None:
        return next((place for place, held in self._places() if held == key), None)

    def _told(self, place: int) -> dict[str, Any]:
        start = place * _PLACE_BYTES
        text = self._memory[start + _KEY_BYTES : start + _PLACE_BYTES].rstrip(b"\0")
        told: dict[str, Any] = json.loads(text)
        return told

    def _put(self, place: int, key: str, told: Mapping[str, Any]) -> None:
        told = dict(told)
        while len(text := json.dumps(told).encode()) > _MOST_BYTES and told.get(_DETAILS):
            told[_DETAILS] = told[_DETAILS][:-1]
        if len(text) > _MOST_BYTES:
            raise ResourceError("what is to be told of an act is too long")
        start = place * _PLACE_BYTES
        self._memory[start : start + _PLACE_BYTES] = key.encode().ljust(
            _KEY_BYTES, b"\0"
        ) + text.ljust(_MOST_BYTES, b"\0")
