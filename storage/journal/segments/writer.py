"""The file of the journal that is written: made, closed when it is full, and put back.

Who writes holds a lock on the file that others share; who closes it holds that alone. So every
line is in the file that is written or in a segment that was closed behind it.
"""

import errno
import fcntl
import os
import time
from contextlib import suppress
from filecmp import cmp
from pathlib import Path

from storage.files import held_for_too_long, sync_folder
from storage.journal.segments import names as names
from storage.journal.segments import reader
from storage.journal.segments.reader import Segments, inode, status

# How long one who closes the file is waited for: it syncs the last of it.
_LOCK_SECONDS = 30.0
_PAUSE_SECONDS = 0.001
_ROUNDS = 10


class SegmentWriter:
    """Appends lines of one name. Not safe to use from many threads; its `descriptor` stays valid
    while another thread syncs it."""

    def __init__(self, folder: Path, name: str, sync: bool) -> None:
        self.descriptor = -1
        self._segments = Segments(folder, name)
        self._sync = sync
        self._process = os.getpid()  # a lock would be shared with what was forked
        self._inode = reader.Inode(0, 0)
        self._start = self._size = self._first_size = 0
        self.was_replaced = False  # since the last look; what was written before may be elsewhere

    def append(self, line: bytes) -> None:
        """Add a line. Raises OSError."""
        for _ in range(_ROUNDS):
            self._open()
            with _locked(self.descriptor, fcntl.LOCK_SH):
                held = status(self._segments.path)
                if held and inode(held) == self._inode:
                    self._write(line, held.st_size)
                    break
            self._look_for_it()
        else:
            raise OSError(errno.EAGAIN, f"{self._segments.path} changes all the time")

    @property
    def is_full(self) -> bool:
        """Whether the file is to be closed."""
        return self._size >= reader.SEGMENT_BYTES

    @property
    def has_lines_of_others(self) -> bool:
        """Whether the file has grown since the last line that was added here, or is another's."""
        held = status(self._segments.path)
        return held is None or inode(held) != self._inode or held.st_size != self._size

    def __del__(self) -> None:
        self.close()  # of a journal that was let go of

    def close(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def close_segment(self) -> None:
        """Have a full file be a closed segment, unless others are writing just now.

        Raises OSError.
        """
        with suppress(BlockingIOError), _locked(self.descriptor, fcntl.LOCK_EX, wait=False):
            held = status(self._segments.path)
            if not held or inode(held) != self._inode:
                return
            if self._sync:
                os.fdatasync(self.descriptor)
            self._segments.folder.mkdir(mode=0o700, exist_ok=True)
            closed, link = self._segments.closed_path(self._start), status(self._segments.link)
            if link and inode(link) == self._inode and not closed.exists():
                os.rename(self._segments.link, closed)
            there = status(closed)
            if not there or inode(there) != self._inode:
                return
            self._sync_folders(self._segments.folder)
            self._begin_next()

    def _write(self, line: bytes, size: int) -> None:
        if size < max(self._first_size, min(self._size, 1)):
            words = f"{self._segments.path} was cut while in use: stop the node, put it back"
            raise OSError(errno.ESTALE, words)
        # One write in append mode: lines of several processes do not mix.
        if os.write(self.descriptor, line) != len(line):
            # A file takes only a part where the disk has no more room (write(2)).
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size = size + len(line)

    def _open(self) -> None:
        """Have the file open. Raises OSError."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if self.descriptor >= 0:
            return
        self.descriptor = self._opened()

    def _opened(self) -> int:
        ours = self._segments
        for _ in range(_ROUNDS):
            if not ours.path.parent.exists():
                ours.path.parent.mkdir(mode=0o700, parents=True)
            names.prepare(ours, self._sync)
            try:
                descriptor = os.open(ours.path, os.O_APPEND | os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                with _locked(descriptor, fcntl.LOCK_SH):
                    held, link = os.fstat(descriptor), status(ours.link)
                    there = status(ours.path)
                    start, _ = ours.extent()
                if there and link and inode(there) == inode(held) == inode(link):
                    self._inode, self._start = inode(held), start
                    self._size = self._first_size = held.st_size
                    return descriptor
                closed = ours.closed()
                last = status(closed[-1][1]) if closed else None
                if last and inode(last) == inode(held):  # whoever closed it was killed
                    with _locked(descriptor, fcntl.LOCK_EX):
                        self._begin_next(held)
                elif there and link and inode(there) != inode(link):
                    if cmp(ours.path, ours.link, shallow=False):
                        ours.link.unlink()  # of a data folder that was copied
                    else:
                        names.put_back(ours, self._sync)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        raise OSError(errno.EAGAIN, f"{ours.path} changes all the time")

    def _begin_next(self, closed: os.stat_result | None = None) -> None:
        """An empty file in the place of one that is closed, which is locked. Raises OSError."""
        ours = self._segments
        there = status(ours.path)
        if closed and (not there or inode(there) != inode(closed)):
            return  # another did
        names.make(ours)
        fresh = names.fresh(ours)
        with suppress(FileNotFoundError):
            fresh.unlink()
        os.link(ours.link, fresh)
        os.replace(fresh, ours.path)
        self._sync_folders(ours.path.parent)

    def _look_for_it(self) -> None:
        """The name is another file's, or nobody's: follow it, or put it back. Raises OSError."""
        ours = self._segments
        closed = status(ours.closed_path(self._start))
        if not closed or inode(closed) != self._inode:
            names.put_back(ours, self._sync)
            link = status(ours.link)
            self.was_replaced = not link or inode(link) != self._inode
        fresh = self._opened()
        # In the place of the old one: another thread may be about to sync that.
        os.dup2(fresh, self.descriptor, inheritable=False)
        os.close(fresh)

    def _sync_folders(self, *folders: Path) -> None:
        for folder in (*folders, self._segments.path.parent) if self._sync else ():
            sync_folder(folder)


class _locked:
    """Hold a lock on a file, waited for with a bound. Raises OSError."""

    def __init__(self, descriptor: int, kind: int, wait: bool = True) -> None:
        self._descriptor, self._kind, self._waits = descriptor, kind, wait

    def __enter__(self) -> None:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, self._kind | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if not self._waits:
                    raise
                if time.monotonic() >= deadline:
                    raise held_for_too_long() from None
            time.sleep(_PAUSE_SECONDS)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
