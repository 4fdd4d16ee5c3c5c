"""What a receiver gets of an instance that is held."""

import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from storage import Location, checking, part10
from storage.errors import DataSetError
from storage.tree import Tree


@dataclass(frozen=True)
class Copy:
    """An instance as a Part 10 file that stands at its start, and under which UID it goes."""

    file: BinaryIO
    sop_instance_uid: str


class Copies(Protocol):
    """Makes them; safe to use from many threads."""

    def open(self, location: Location) -> Copy:
        """A copy of an instance, for the caller to close. Raises ArchiveError, OSError."""

    def fault_of(self, location: Location) -> str:
        """What is wrong with the bytes that it is made from, or nothing; reads all of them."""


class AsStored:
    """Copies that are byte for byte what was received."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def open(self, location: Location) -> Copy:
        """The file in the tree. Raises ArchiveError, OSError."""
        file = self._tree.path(location.uids).open("rb")
        try:
            offset = part10.read(file).data_set_offset
            held = os.fstat(file.fileno()).st_size - offset
            if held != location.file_bytes:
                words = f"its file holds {held} bytes, {location.file_bytes} were received"
                raise DataSetError(words)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return Copy(file, location.uids[2])

    def fault_of(self, location: Location) -> str:
        """What is wrong with the file in the tree, or nothing; reads all of it."""
        return checking.fault_of(self._tree.path(location.uids), location)
