"""A zip archive that is sent while it is made: no part of it lies on a disk."""

import queue
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress

from scp.copies.export.targets import Target, Zipped

# What is made before who takes it has taken what was: so much memory it takes at most.
_PIECES, _PIECE_BYTES = 8, 256 << 10
_LOOK_SECONDS = 0.5


def zip_archive(make: Callable[[Target], None]) -> Iterator[bytes]:
    """The bytes of an archive into which `make` puts files, in a thread of its own.

    Where nobody takes them any more, `make` is ended by an OSError. Raises what it raises.
    """
    pieces = _Pieces()

    def run() -> None:
        end: BaseException | None = None
        try:
            with zipfile.ZipFile(pieces, "w", allowZip64=True) as zipped:
                make(Zipped(zipped))
            pieces.flush_all()
        except BaseException as error:
            end = error
        with suppress(BrokenPipeError):
            pieces.put(end)

    thread = threading.Thread(target=run, name="zip", daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        pieces.is_over = True
        thread.join()


class _Pieces:
    """What a zip archive is written to: it cannot go back in it, and so writes sizes behind."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES)
        self._held = bytearray()
        self.is_over = False

    def write(self, data: bytes, /) -> int:
        """Take bytes; waits for who takes them. Raises OSError where nobody does any more."""
        self._held += data
        if len(self._held) >= _PIECE_BYTES:
            self.flush_all()
        return len(data)

    def flush(self) -> None:
        """Nothing: small pieces go together."""

    def close(self) -> None:
        """Nothing: its end is told by a piece."""

    def flush_all(self) -> None:
        """Give what is held."""
        if self._held:
            self.put(bytes(self._held))
            self._held.clear()

    def put(self, piece: bytes | BaseException | None) -> None:
        """Give a piece, or the end. Raises OSError."""
        while True:
            if self.is_over:
                raise BrokenPipeError("nobody takes the archive any more")
            with suppress(queue.Full):
                self._queue.put(piece, timeout=_LOOK_SECONDS)
                return

    def get(self) -> bytes | BaseException | None:
        """The next piece; None: that was all."""
        return self._queue.get()
