"""What the journal tells of each instance, and its file entered into an index by that."""

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import extract, part10
from storage.errors import DataSetError
from storage.indexing import FileFacts, record
from storage.journal import RECEIPTS, Journal
from storage.models import Index
from storage.tree import Tree, Uids


@dataclass(frozen=True)
class Receipt:
    """How an instance was received last: bytes and digest of its data set, assumed charset."""

    uids: Uids
    file_bytes: int
    digest: str
    charset: str
    transfer_syntax_uid: str = ""


def last_receipts(tree: Tree, journal: Journal, start: int = 0) -> dict[Path, Receipt]:
    """The last receipt of each instance, of those from byte `start` of the journal on."""
    found: dict[Path, Receipt] = {}
    displaced: dict[Path, Receipt] = {}  # by the one that may yet be withdrawn
    for line in journal.read(RECEIPTS, start):
        study, series, instance = line["uids"]
        uids = (study, series, instance)
        path = tree.path(uids)
        earlier = found.pop(path, None)
        if line.get("withdrawn"):
            if path in displaced:
                found[path] = displaced.pop(path)
            continue
        if earlier:
            displaced[path] = earlier
        found[path] = Receipt(uids, int(line["bytes"]), str(line["digest"]), str(line["charset"]))
    return found


def receipts_of(
    journal: Journal, wanted: Container[Uids], start: int = 0, end: int | None = None
) -> dict[Uids, list[Receipt]]:
    """All receipts of the instances in `wanted` that were not withdrawn, the last one last."""
    found: dict[Uids, list[Receipt]] = {}
    add_receipts(found, journal, wanted, start, end)
    return found


def add_receipts(
    found: dict[Uids, list[Receipt]],
    journal: Journal,
    wanted: Container[Uids],
    start: int,
    end: int | None = None,
) -> None:
    """Go on with `receipts_of` from where the journal ended then."""
    for uids, line in lines(journal, start, end):
        if uids not in wanted:
            continue
        held = found.setdefault(uids, [])
        if not line.get("withdrawn"):
            digest, charset = str(line.get("digest", "")), str(line.get("charset", ""))
            syntax = str(line.get("syntax", ""))
            held.append(Receipt(uids, int(line.get("bytes", 0)), digest, charset, syntax))
        elif held:
            held.pop()


def lines(
    journal: Journal, start: int = 0, end: int | None = None
) -> Iterator[tuple[Uids, dict[str, Any]]]:
    """The lines that tell of an instance, with its UIDs."""
    for line in journal.read(RECEIPTS, start, end):
        uids = line.get("uids")
        if isinstance(uids, list) and len(uids) == 3:
            study, series, instance = uids
            yield (str(study), str(series), str(instance)), line


def record_file(tree: Tree, file: Path, index: Index, charset: str, receipt: Receipt | None) -> int:
    """Enter one file of the tree into an index. Raises ArchiveError."""
    charset = receipt.charset if receipt else charset
    try:
        with file.open("rb") as source:
            meta = part10.read(source)
            header = extract.header(source, meta.transfer_syntax_uid, charset)
            file_bytes = os.fstat(source.fileno()).st_size - meta.data_set_offset
    except OSError as error:
        raise DataSetError(f"cannot be read: {error.strerror}") from error
    if tree.path(header.uids) != file:
        raise DataSetError("its UIDs belong to another path")
    # A file that was put into the tree by hand has no receipt, and so no digest to hold it to.
    digest = receipt.digest if receipt and receipt.file_bytes == file_bytes else ""
    record(index, header, FileFacts(meta.transfer_syntax_uid, file_bytes, digest, charset))
    return 1
