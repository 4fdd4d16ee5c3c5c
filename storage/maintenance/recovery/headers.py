"""What an index needs of files, read where there is a processor to do so.

Each line of the journal is written under the lock of its instance, before its file is put in its
place. Who reads the file behind the line, and under that lock, sees what became of it; and whatever
becomes of it later has a later line.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from storage.archive import read_file
from storage.diagnostics import ArchiveError, ResourceError
from storage.dicom import Header
from storage.dicom.values import Uids
from storage.files import Files, files_of
from storage.index import FileFacts
from storage.journal import Receipts, journal_of, last_receipts
from storage.journal.corrections import Corrections, in_force

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

# Makes the processes that read, which are as many as it says.
MakePool = Callable[[], "tuple[Executor, int]"]

P = TypeVar("P", bound="Piece")

# Files that one process reads about as soon as others are there.
FEW = 400
# Pieces that each process has before it.
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class FileRead:
    """What an index needs of the file of an instance, or why it cannot be read.

    None of both where there is no file. `is_ambiguous`: it was not read, for which of several
    receipts is that of the file takes all that were ever written.
    """

    uids: Uids
    held: tuple[Header, FileFacts] | None = None
    fault: str = ""
    is_ambiguous: bool = False


@dataclass(frozen=True)
class Piece(ABC):
    """Some files to read, in this process or another; `charset` is for those without a receipt.

    `locked`: somebody else may store meanwhile.
    """

    data: Path
    charset: str
    locked: bool
    leaves_doubts: ClassVar[bool] = True

    @abstractmethod
    def read(self) -> list[FileRead]:
        """What there is of each. Raises ResourceError."""

    def _read_all(self, instances: Iterable[tuple[Uids, Receipts | None]]) -> list[FileRead]:
        # Asked once: what is corrected later is brought into the index when that is in its place.
        corrections = in_force(self.data)
        return [self._read(uids, receipts, corrections) for uids, receipts in instances]

    def _read(self, uids: Uids, receipts: Receipts | None, corrections: Corrections) -> FileRead:
        files = _files(self.data)
        with files.locked(uids) if self.locked else nullcontext():
            if receipts and self.leaves_doubts and _is_doubtful(receipts):
                return FileRead(uids, is_ambiguous=is_there(files, uids))
            try:
                header, facts = read_file(files, uids, self.charset, receipts)
                return FileRead(uids, (corrections.corrected(header), facts))
            except ResourceError:
                raise
            except ArchiveError as error:
                return FileRead(uids, fault=str(error) if is_there(files, uids) else "")


@dataclass(frozen=True)
class Stretch(Piece):
    """Those that the journal tells of from byte `start` to byte `end`."""

    start: int
    end: int

    def read(self) -> list[FileRead]:
        """What there is of each. Raises ResourceError."""
        found = last_receipts(journal_of(self.data, sync=False), self.start, self.end)
        return self._read_all(found.items())


@dataclass(frozen=True)
class Doubtful(Piece):
    """Those with all the receipts that the journal ever told of them: the files' bytes decide."""

    instances: tuple[Receipts, ...]
    leaves_doubts: ClassVar[bool] = False

    def read(self) -> list[FileRead]:
        """What there is of each. Raises ResourceError."""
        return self._read_all((one.uids, one) for one in self.instances)


@dataclass(frozen=True)
class Unlisted(Piece):
    """Those of which the journal does not tell."""

    instances: tuple[Uids, ...]

    def read(self) -> list[FileRead]:
        """What there is of each. Raises ResourceError."""
        return self._read_all((uids, None) for uids in self.instances)


class Readers:
    """Processes that read pieces, where there are many files; else this one does."""

    def __init__(self, make: MakePool | None) -> None:
        self._make = make
        self._pool: Executor | None = None
        self._count = 0

    def begin(self, files: Files) -> None:
        """Make the processes, which are forks of this one, where that is worth while."""
        if self._make and next(islice(files.instances(), FEW, None), None):
            self._pool, self._count = self._make()

    def close(self) -> None:
        """End them, whatever they are at: they only read."""
        if self._pool:
            import multiprocessing

            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()

    def read(self, pieces: Iterator[P]) -> Iterator[tuple[P, list[FileRead]]]:
        """Each piece with what was read, in their order. Raises ResourceError."""
        first = list(islice(pieces, 2))
        if self._pool is None or len(first) < 2:
            yield from ((piece, piece.read()) for piece in chain(first, pieces))
            return
        from concurrent.futures import BrokenExecutor

        waiting: deque[tuple[P, Future[list[FileRead]]]] = deque()
        try:
            for piece in chain(first, pieces):
                waiting.append((piece, self._pool.submit(piece.read)))
                if len(waiting) > _AHEAD * self._count:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        except BrokenExecutor as error:
            raise ResourceError("a process that reads headers has died") from error


def _result(piece: P, found: "Future[list[FileRead]]") -> tuple[P, list[FileRead]]:
    return piece, found.result()


def _is_doubtful(receipts: Receipts) -> bool:
    """Whether it is not told which of several receipts is that of the file."""
    return receipts.withdrawn or len(receipts.of_digest) > 1


def is_there(files: Files, uids: Uids) -> bool:
    """Whether there is a file of an instance, or none can tell."""
    try:
        return files.holds(uids)
    except OSError:  # a folder that may not be entered
        return True


@lru_cache(maxsize=1)
def _files(data: Path) -> Files:
    return files_of(data, sync=False)
