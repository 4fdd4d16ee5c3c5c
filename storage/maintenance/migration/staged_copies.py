"""Files of instances copied to where they are to go, each held to what is known of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from storage.archive import Archive
from storage.archive.finding import added_tags
from storage.diagnostics import ArchiveError, DataSetError, ResourceError
from storage.dicom import Header, header_values, instance_header, part10
from storage.dicom.values import Uids
from storage.files import FileFacts, Kept, digest_of_rest, status_of, words_of
from storage.journal import Receipt

_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class StagedCopy:
    """A copy in the folder of what arrives at the target; `header` is not corrected.

    `header` is that of what is held; what was displaced has none.
    """

    uids: Uids
    path: Path
    facts: FileFacts
    header: Header | None = None


def copy_of_held(
    source: Archive, target: Archive, uids: Uids, facts: FileFacts, charset: str
) -> StagedCopy:
    """A copy of what is held, with the bytes that `facts` tell of.

    `charset` is for what names none, and has no receipt. Raises FileNotFoundError where it is gone
    by now, DataSetError where it is not what was received, ResourceError.
    """
    with _opened(source.tree.open(uids), source, uids) as file:
        path = _staged(file, target, facts.arrived)
    try:
        with path.open("rb") as copy:
            meta = part10.read(copy)
            syntax, charset = meta.transfer_syntax_uid, facts.charset or charset
            header = instance_header.header(copy, syntax, charset)
            if tags := added_tags(target.tree.data):
                copy.seek(meta.data_set_offset)
                added = header_values(copy, syntax, charset, tags)
                header = replace(header, added=added)
            copy.seek(meta.data_set_offset)
            digest, size = digest_of_rest(copy), status_of(copy).bytes - meta.data_set_offset
        if (syntax, size) != (facts.transfer_syntax_uid, facts.file_bytes):
            raise DataSetError("not the file that is in the index")
        if facts.digest not in ("", digest):
            raise DataSetError("not the bytes that were received")
        if header.uids != uids:
            raise DataSetError("its UIDs belong to another path")
    except (ArchiveError, OSError):
        target.tree.discard(path)
        raise
    return StagedCopy(uids, path, facts, header)


def copy_of_kept(
    source: Archive, target: Archive, kept: Kept, receipts: dict[str, Receipt]
) -> StagedCopy:
    """A copy of what was displaced, with what its receipt tells, of those by digest.

    Raises FileNotFoundError where it is gone by now, DataSetError, ResourceError.
    """
    with _opened(source.tree.superseded.open(kept), source, kept.uids) as file:
        arrived = status_of(file).arrived
        path = _staged(file, target, arrived)
    try:
        with path.open("rb") as copy:
            facts = _facts_of(copy, arrived)
    except OSError as error:
        target.tree.discard(path)
        raise ResourceError(words_of(error)) from error
    if told := receipts.get(facts.digest):
        facts = replace(facts, charset=told.charset, sender=told.sender, received=told.received)
    return StagedCopy(kept.uids, path, facts)


@contextmanager
def _opened(file: BinaryIO, source: Archive, uids: Uids) -> Iterator[BinaryIO]:
    """An open file of the source; what it cannot be read for is told as of that.

    Raises FileNotFoundError, DataSetError, ResourceError.
    """
    with file:
        try:
            yield file
        except ResourceError:
            raise
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DataSetError(f"cannot be read: {source.tree.refusal(error, uids)}") from error


def _staged(file: BinaryIO, target: Archive, arrived: int) -> Path:
    """What is read of a file, written to a new one with its time. Raises OSError, ResourceError."""
    path, descriptor = target.tree.open_staged()
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as copy:
            _copy(file, copy)
    except BaseException:
        os.close(descriptor)
        target.tree.discard(path)
        raise
    target.tree.close_staged(path, descriptor, arrived)
    return Path(path)


def _copy(file: BinaryIO, copy: BinaryIO) -> None:
    """Copy all. Raises OSError where `file` cannot be read, ResourceError where `copy` is full."""
    while part := file.read(_COPY_BYTES):
        try:
            copy.write(part)
            copy.flush()
        except OSError as error:
            raise ResourceError(f"Cannot write to disk: {error.strerror}") from error


def _facts_of(copy: BinaryIO, arrived: int) -> FileFacts:
    """What a file tells of itself; of a damaged one no more than its bytes. Raises OSError."""
    size = status_of(copy).bytes
    try:
        meta = part10.read(copy)
    except DataSetError:
        copy.seek(0)
        return FileFacts("", size, digest_of_rest(copy), arrived=arrived)
    copy.seek(meta.data_set_offset)
    size, digest = size - meta.data_set_offset, digest_of_rest(copy)
    return FileFacts(meta.transfer_syntax_uid, size, digest, arrived=arrived)
