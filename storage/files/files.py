"""What the rest of storage needs of the files of instances, wherever they lie."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.dicom.values import Uids
from storage.files.disk import Stray
from storage.files.staging import Staging
from storage.files.superseded import Kept


class InstanceFiles(Protocol):
    """The files of instances for who reads one, by what its row says; safe to use by many threads.

    A row names a file by the UIDs of its instance and, where several of one instance lie side by
    side, by a `key` (`Location.key`), which is for who gave it to read.
    """

    data: Path  # the folder of this node: of journal and index, and of what arrives

    def open(self, uids: Uids, key: str) -> BinaryIO:
        """The file of an instance, for the caller to close. Raises OSError.

        It can be read and sought in, has no descriptor that could be asked for, and no path:
        `status_of` tells what these would.
        """

    def expect(self, instances: Sequence[Uids], whole: bool = True) -> Mapping[Uids, str]:
        """Be told whose files are read next, and whether whole; their keys, as far as that helps.

        What fails of it, opening one tells.
        """

    def name(self, uids: Uids, key: str) -> str:
        """What a user finds the file of an instance by."""


class SupersededFiles(Protocol):
    """What was displaced and is kept, by UIDs and time of that; it may come back."""

    def keep(self, uids: Uids) -> Path:
        """Keep the file of an instance here too; returns where. Raises ResourceError."""

    def take(self, uids: Uids) -> Path:
        """Have the file of an instance here and no longer there. Raises ResourceError."""

    def forget_copy(self, uids: Uids) -> None:
        """Forget what was kept of a file that stayed after all. Raises OSError."""

    def open(self, kept: Kept) -> BinaryIO:
        """What is kept, for the caller to close. Raises OSError."""

    def remove(self, kept: Path) -> None:
        """Delete what is kept, for good. Raises ResourceError."""

    def copies_of(self, uids: Uids) -> list[Path]:
        """Those of an instance. Raises ResourceError."""

    def kept_in(self, study: str, series: str) -> set[str]:
        """The instances of a series of which something is kept. Raises OSError, ResourceError."""

    def all(self, *above: str) -> Iterator[Kept]:
        """All that is kept, or of a study or series, as it was displaced. Raises ResourceError."""


class Files(InstanceFiles, Staging, Protocol):
    """The files of instances, one each, by UIDs alone; safe to use by many threads and processes.

    What is `staged` is a file that nobody finds by UIDs until it is placed. UIDs must have passed
    `check_uid`, but for those that `entries` and `instances` give. With `data` all processes
    agree on locks.
    """

    @property
    def superseded(self) -> SupersededFiles:
        """What was displaced."""

    def open(self, uids: Uids, key: str = "") -> BinaryIO:
        """The file of an instance, for the caller to close. Raises OSError."""

    def holds(self, uids: Uids) -> bool:
        """Whether there is a file of the instance."""

    def is_file(self, uids: Uids) -> bool:
        """Whether what lies there can be read to its end. Raises FileNotFoundError, OSError."""

    def digest(self, uids: Uids) -> str:
        """The digest of the data set in the file of an instance. Raises OSError, DataSetError."""

    def arrived(self, uids: Uids) -> int:
        """When an instance's file arrived, in nanoseconds since 1970. Raises ResourceError."""

    def last_arrival(self, study: str) -> int | None:
        """The same of the newest file of a study; None: it has none. Raises ResourceError."""

    def name(self, uids: Uids, key: str = "") -> str:
        """What a user finds the file of an instance by."""

    def refusal(self, error: OSError, uids: Uids) -> str:
        """What an error says of the file of an instance, and whose it is where rights lack."""

    def locked(self, *places: Uids) -> AbstractContextManager[None]:
        """Hold the places of instances against other threads and processes.

        Who holds some asks for no more: all are asked for in one order. Raises ResourceError.
        """

    def all_locked(self) -> AbstractContextManager[None]:
        """Hold all places: no store is under way then. Raises ResourceError."""

    def stage(
        self, *parts: bytes | bytearray | memoryview, arrived: int = 0, sync: bool = True
    ) -> Path:
        """Write `parts` to a new staged file, as `close_staged`. Raises ResourceError."""

    def place(self, staged: Path | str, uids: Uids, sync: bool = True) -> None:
        """Have `staged` be the file of an instance; durable, or left to who syncs it later.

        Raises ResourceError; `withdraw` then makes sure that it is as it was.
        """

    def sync_places(self, *instances: Uids) -> None:
        """See that the files of instances stay where they are. Raises ResourceError."""

    def sync_instances(self, instances: Collection[Uids]) -> None:
        """See that the files of instances, as far as there are any, and their places are durable.

        Raises ResourceError.
        """

    def withdraw(self, uids: Uids, kept: Path | None) -> None:
        """Undo `place`: what was `kept` comes back, or nothing stays. Raises ResourceError."""

    def put_back(self, kept: Kept) -> None:
        """Have what was kept be the file of its instance again. Raises ResourceError."""

    def prune(self, uids: Uids) -> None:
        """Leave nothing in the place of an instance that has no file."""

    def instances(self) -> Iterator[Uids]:
        """Every file, in no order that means anything; what it is found by may be no UIDs."""

    def entries(self) -> Iterator[Uids | Stray]:
        """Every file that lies where instances do, and what is strange. Raises ResourceError."""

    def remove_stray(self, stray: Path) -> str:
        """Move what does not belong there out of the way; returns where. Raises ResourceError."""

    def remove_folder(self, folder: Path) -> bool:
        """Remove a folder if it is still empty."""

    def is_there(self) -> bool:
        """Whether instances were ever kept here."""

    def stay_beside(self) -> None:
        """Let what this process and its children stage outlast the start of a node.

        Raises FolderError.
        """

    def clear_of(self, process: int) -> None:
        """Clear what a process that was killed left half-received. Raises OSError."""
