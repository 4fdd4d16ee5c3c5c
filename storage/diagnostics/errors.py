"""What can go wrong in the archive, named.

Each error says in its text what is wrong, in words fit for an Error Comment (0000,0902): the
first 64 characters stand alone (PS3.5 6.2, VR LO).
"""

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

# What an Error Comment (0000,0902) holds (PS3.5 6.2, VR LO).
ERROR_COMMENT_CHARACTERS = 64


class ArchiveError(Exception):
    """The base of every error that the archive raises on purpose."""


class DataSetError(ArchiveError):
    """A data set or file that cannot be read."""


class BudgetError(DataSetError):
    """A data set of which more would have to be read than is read of a stranger's; says what."""


class MismatchError(ArchiveError):
    """A data set that is not what its C-STORE command says, or lacks a UID that storage needs.

    `offending` lists the elements at fault, for Offending Element (0000,0901).
    """

    def __init__(self, message: str, *offending: "BaseTag") -> None:
        super().__init__(message)
        self.offending = offending


class DuplicateError(ArchiveError):
    """The SOP Instance is held with other content, and `on_conflict` is `refuse`."""


class ResourceError(ArchiveError):
    """Disk or index cannot take or give more: full, read-only, locked or broken."""


class IdentifierError(ArchiveError):
    """An identifier that the Query/Retrieve Level or the information model does not allow.

    `offending` lists the keys at fault, for Offending Element (0000,0901).
    """

    def __init__(self, message: str, *offending: "BaseTag") -> None:
        super().__init__(message)
        self.offending = offending


class FolderError(ArchiveError):
    """The archive's folder cannot be used: said once, at start, to a person."""


class InUseError(FolderError):
    """Another node has the folder."""


def both_uids(said: str, found: str) -> str:
    """Two UIDs that should be one, in the 64 characters of an Error Comment where they fit.

    Of UIDs that are too long together, the part where they begin to differ.
    """
    room = ERROR_COMMENT_CHARACTERS - len("sent , is ")
    if len(said) + len(found) > room:
        shorter = min(len(said), len(found))
        same = next((i for i in range(shorter + 1) if said[:i] != found[:i]), shorter)
        start = max(same - 5, 0)
        window = slice(start, start + room // 2 - 2)
        said, found = f"..{said[window]}", f"..{found[window]}"
    return f"sent {said}, is {found}"


# What is said of what pydicom, zlib and Python raise over bytes that are no data set.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (MemoryError, "The data set is too large to be read"),
    (zlib.error, "The deflated data set is damaged"),
    (struct.error, "The data set is damaged: a value of another length than its VR has"),
    (UnicodeError, "The data set is damaged: text in place of a number or a VR"),
)


def _is_deep(error: BaseException | None) -> bool:
    while error and not isinstance(error, RecursionError):
        error = error.__context__
    return error is not None


_MOST_CHARACTERS = 200


def unreadable(error: Exception) -> DataSetError:
    """The error for a data set at which a reader failed, in words that are not the reader's."""
    if _is_deep(error):
        return BudgetError("Sequences nested too deep: 64 levels are read")
    if isinstance(error, OSError) and error.errno is None:  # pydicom's, of no disk
        return DataSetError("The data set is damaged: a sequence is cut short")
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return DataSetError(words)
    return DataSetError(f"The data set cannot be read: {str(error)[:_MOST_CHARACTERS]}")
