"""The bytes of a stored data set: compared, digested, and what is known of their file."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.dicom import part10

_COMPARE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FileStatus:
    """How large a file is, in bytes, and when it arrived, in nanoseconds since 1970."""

    bytes: int
    arrived: int


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file beside its header; bytes and digest are the data set's.

    `arrived` is the time of the file, in nanoseconds since 1970, `received` that of its receipt, in
    milliseconds; 0 without one.
    """

    transfer_syntax_uid: str
    file_bytes: int
    digest: str
    charset: str = ""
    arrived: int = 0
    sender: str = ""
    received: int = 0


def status_of(file: BinaryIO) -> FileStatus:
    """That of an open file of an instance, wherever it lies. Raises OSError."""
    known = getattr(file, "status", None)
    if isinstance(known, FileStatus):
        return known
    found = os.fstat(file.fileno())
    return FileStatus(found.st_size, found.st_mtime_ns)


def is_rest(file: BinaryIO, data: bytes | bytearray | memoryview) -> bool:
    """Whether what lies in `file` from where it stands is `data`, and no more."""
    view = memoryview(data)
    for start in range(0, len(view), _COMPARE_BYTES):
        part = view[start : start + _COMPARE_BYTES]
        if file.read(len(part)) != part:
            return False
    return not file.read(1)


def digest_of_rest(file: BinaryIO) -> str:
    """The digest of what lies in `file` from where it stands: the one that is taken at receipt."""
    digest = hashlib.sha256()
    while part := file.read(_COMPARE_BYTES):
        digest.update(part)
    return digest.hexdigest()


def copy_of_rest(file: BinaryIO, copy: BinaryIO) -> str:
    """The same, while what lies there is written to `copy`. Raises OSError."""
    digest = hashlib.sha256()
    while part := file.read(_COMPARE_BYTES):
        digest.update(part)
        copy.write(part)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """The digest of the data set that a file holds. Raises OSError, DataSetError."""
    with path.open("rb") as file:
        part10.read(file)
        return digest_of_rest(file)
