"""One file looked at: its header, and in one pass its digest, its length and its Pixel Data."""

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.diagnostics import ArchiveError, DataSetError
from storage.dicom import Header, instance_header, part10
from storage.dicom.data_sets import Damage, Digested, damage
from storage.dicom.values import Uids
from storage.files import Files, status_of
from storage.maintenance.check.faults import FaultKind

Passed = Callable[[int], None]  # how many bytes were read
_DAY_SECONDS = 86400


@dataclass(frozen=True)
class Share:
    """The files that are read: of the others it is only seen that they are there.

    One of `one_of`, another one each day, so that in as many days all are read; and what arrived
    at `since` or later, in seconds since 1970. Neither: all of them.
    """

    one_of: int = 0
    since: float | None = None
    day: int = field(default_factory=lambda: int(time.time()) // _DAY_SECONDS)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of them."""
        return not self.one_of and self.since is None

    def has(self, uids: Uids, arrived: int) -> bool:
        """Whether the file of an instance is one, that arrived so many nanoseconds after 1970."""
        if self.is_whole or (self.since is not None and arrived >= self.since * 1e9):
            return True
        turn = zlib.crc32("/".join(uids).encode()) - self.day
        return bool(self.one_of) and turn % self.one_of == 0


@dataclass(frozen=True)
class Examined:
    """What a file is; bytes and digest are those of its data set."""

    header: Header
    transfer_syntax_uid: str
    file_bytes: int
    digest: str
    damage: Damage
    arrived: int  # the time of the file, in nanoseconds since 1970


@dataclass(frozen=True)
class UnusableFile:
    """A file of which nothing can be used, and why; of kind MISSING: there is none."""

    kind: FaultKind
    detail: str = ""


def examine(files: Files, uids: Uids, charset: str, passed: Passed) -> Examined | UnusableFile:
    """Read all of the file of an instance; `charset` is for text that names none."""
    try:
        if not files.is_file(uids):  # to open a pipe would wait for ever
            return UnusableFile(FaultKind.UNREADABLE, "not a file")
        with files.open(uids) as raw, files.open(uids) as file:
            try:
                meta = part10.read(file)
            except DataSetError as error:
                return UnusableFile(FaultKind.NOT_PART10, str(error))
            try:
                header = instance_header.header(file, meta.transfer_syntax_uid, charset)
            except ArchiveError as error:
                return UnusableFile(FaultKind.HEADER, str(error))
            raw.seek(meta.data_set_offset)
            data_set = Digested(raw, passed)
            found = damage(data_set, meta.transfer_syntax_uid)
            digest = data_set.digest()
            arrived = status_of(raw).arrived
            return Examined(
                header, meta.transfer_syntax_uid, data_set.position, digest, found, arrived
            )
    except FileNotFoundError:
        return UnusableFile(FaultKind.MISSING)
    except OSError as error:
        return UnusableFile(FaultKind.UNREADABLE, files.refusal(error, uids))
