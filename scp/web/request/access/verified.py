"""Passwords that were found right a moment ago: the next request with one need not stretch it."""

import hashlib
import secrets
import threading
from collections import OrderedDict

_MOST = 1024


class Verified:
    """Those of a process, by a digest that means nothing beyond it; forgotten when that ends."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def knows(self, *parts: str) -> bool:
        """Whether it was noted."""
        digest = self._digest(parts)
        with self._lock:
            if digest not in self._known:
                return False
            self._known.move_to_end(digest)
            return True

    def note(self, *parts: str) -> None:
        """Note that they belong together."""
        digest = self._digest(parts)
        with self._lock:
            self._known[digest] = None
            if len(self._known) > _MOST:
                self._known.popitem(last=False)

    def _digest(self, parts: tuple[str, ...]) -> bytes:
        made = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            content = part.encode(errors="surrogatepass")
            made.update(len(content).to_bytes(8, "big") + content)
        return made.digest()
