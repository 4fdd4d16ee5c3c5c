"""A closed segment written anew, without lines that nothing needs: of the same length, with holes.

So no position moves, and who has the old file open reads that to its end. What withdraws a line
goes behind it: who reads one segment before a compaction and a later one behind it may miss that.
So who decides by all of them has them stay `unchanged`.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from storage.diagnostics import ResourceError
from storage.files import held_for_too_long, sync_folder

# What file systems give room by.
BLOCK_BYTES = 4096
_READ_BYTES = 1 << 20
_HELD, _LOCK_SECONDS, _PAUSE_SECONDS = "segments.lock", 30.0, 0.001
# No right to lock, or no file system to do so on: what only reads goes on without.
_NO_LOCK = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOLCK, errno.ENOTSUP, errno.ENOSPC, errno.EDQUOT,
}  # fmt: skip


class Replacement(NamedTuple):
    """Whole lines from byte `start` of a file to `end`, and the line that takes their place."""

    start: int
    end: int
    text: bytes = b""

    @property
    def hole(self) -> tuple[int, int]:
        """From where to where there is nothing afterwards: in front of the last one's end."""
        return self.start + len(self.text) + bool(self.text), self.end - 1


def blocks(path: Path) -> list[bool]:
    """Of each block of a file, whether there is anything in it. Raises OSError."""
    with path.open("rb") as file:
        return [bool(one.strip(b"\0")) for one in iter(lambda: file.read(BLOCK_BYTES), b"")]


def freed(held: Sequence[bool], replacements: Sequence[Replacement]) -> int:
    """How many of a file's blocks have nothing in them any more behind these."""
    count = 0
    for one in replacements:
        start, end = one.hole
        count += sum(held[-(-start // BLOCK_BYTES) : max(end, 0) // BLOCK_BYTES])
    return count


def rewrite(path: Path, replacements: Sequence[Replacement], sync: bool) -> Path:
    """Write a file with replacements beside it, to be put into its place. Raises OSError."""
    fresh = path.with_suffix(".new")
    with path.open("rb") as file, fresh.open("wb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        start = 0
        for one in replacements:
            copy_range(file, copy, start, one.start)
            copy.seek(one.start)
            copy.write(one.text + b"\n" if one.text else b"")
            copy.seek(one.end - 1)
            copy.write(b"\n")
            start = one.end
        held = os.fstat(file.fileno())
        copy_range(file, copy, start, held.st_size)
        copy.truncate(held.st_size)
        # Later than it was, whatever the clock says: so a copy is seen to be older.
        os.utime(copy.fileno(), ns=(held.st_atime_ns, max(time.time_ns(), held.st_mtime_ns + 1)))
        if sync:
            os.fsync(copy.fileno())
    return fresh


def copy_range(file: BinaryIO, copy: BinaryIO, start: int, end: int) -> None:
    """Copy the bytes from `start` to `end`, holes as holes. Raises OSError."""
    file.seek(start)
    while start < end:
        part = file.read(min(_READ_BYTES - start % BLOCK_BYTES, end - start))
        if not part:
            raise OSError(errno.ESTALE, "was cut while it was copied", file.name)
        first = BLOCK_BYTES - start % BLOCK_BYTES
        for at in (0, *range(first, len(part), BLOCK_BYTES)):
            block = part[at : at + BLOCK_BYTES] if at else part[:first]
            if block.strip(b"\0"):
                copy.seek(start + at)
                copy.write(block)
        start += len(part)


def put_in_place(fresh: Path, path: Path, sync: bool) -> bool:
    """Have a segment be the one that was written anew; False where somebody holds all as they are.

    Raises OSError.
    """
    descriptor = _opened(path.parent.parent)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.replace(fresh, path)
        if sync:
            sync_folder(path.parent)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Have the closed segments of a journal's folder stay as they are. Raises ResourceError."""
    with ExitStack() as held:
        try:
            descriptor = _opened(folder)
            held.callback(os.close, descriptor)
            _share(descriptor)
        except OSError as error:
            if error.errno not in _NO_LOCK:
                raise ResourceError(f"{folder / _HELD}: {error.strerror}") from error
        yield


def _opened(folder: Path) -> int:
    return os.open(folder / _HELD, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _share(descriptor: int) -> None:
    """Lock what others share, and wait for who has it alone: for a moment. Raises OSError."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise held_for_too_long()
        time.sleep(_PAUSE_SECONDS)
