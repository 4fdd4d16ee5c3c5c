"""A large file that is being written: digested, and begun to be synced, beside who writes it."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable

_READ_BYTES = 1 << 20
_STEP_BYTES = 4 << 20  # for which the thread is woken
# The disk writes these while the next ones are on the wire; the sync at the end then waits for
# little. Each is a call that looks through what the file has in memory.
_SYNC_BYTES = 32 << 20


class DigestBehind:
    """Reads what was written to a file from the system's cache, in a thread of its own.

    So no more than what is read at once is in memory, however fast the bytes come. To be ended
    by `finish` or `abandon`, which leave no thread behind.
    """

    def __init__(
        self, begin_sync: Callable[[int], None], path: str, digest: "hashlib._Hash", start: int
    ) -> None:
        """Go on with `digest` at byte `start`. Raises OSError, RuntimeError."""
        self._begin_sync, self._hash = begin_sync, digest
        self._at = self._synced = self._written = start
        self._is_over = self._is_abandoned = False
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="digest", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            os.close(self._descriptor)
            raise

    def written(self, end: int) -> None:
        """Tell how far the file was written."""
        if end - self._written >= _STEP_BYTES:
            with self._changed:
                self._written = end
                self._changed.notify()

    def finish(self, end: int) -> None:
        """Wait until all up to byte `end` is in the digest. Raises OSError."""
        self._end(end)
        if self._error:
            raise self._error

    def abandon(self) -> None:
        """Have it end, whatever is left."""
        self._is_abandoned = True
        self._end(self._written)

    def _end(self, end: int) -> None:
        with self._changed:
            self._written, self._is_over = end, True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            with memoryview(bytearray(_READ_BYTES)) as buffer:
                while self._at < (end := self._awaited()):
                    self._read(buffer, end)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._descriptor)

    def _awaited(self) -> int:
        """How far the file is written, once that is further than what was read, or all."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._at < self._written)
            return self._written

    def _read(self, buffer: memoryview, end: int) -> None:
        while self._at < end and not self._is_abandoned:
            count = os.preadv(self._descriptor, [buffer[: end - self._at]], self._at)
            if not count:
                raise OSError(errno.EIO, "the file was cut while it was written")
            self._hash.update(buffer[:count])
            self._at += count
        if self._is_abandoned:
            self._at = end
        elif end - self._synced >= _SYNC_BYTES:
            self._synced = end
            self._begin_sync(self._descriptor)
