"""What the journal tells of each instance, and its file entered into an index by that."""

import os
from dataclasses import dataclass
from pathlib import Path

from storage import extract, part10
from storage.errors import DataSetError
from storage.indexing import FileFacts, record
from storage.journal import RECEIPTS, Journal
from storage.models import Index
from storage.tree import Tree, Uids


@dataclass(frozen=True)
class Receipt:
    """How an instance was received last: bytes and digest of its data set, assumed charset.

    Without a digest: it was withdrawn, and what was received before is not told here.
    """

    uids: Uids
    file_bytes: int
    digest: str
    charset: str


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
            found[path] = displaced.pop(path, Receipt(uids, 0, "", ""))
            continue
        if earlier:
            displaced[path] = earlier
        found[path] = Receipt(uids, int(line["bytes"]), str(line["digest"]), str(line["charset"]))
    return found


def record_file(tree: Tree, file: Path, index: Index, charset: str, receipt: Receipt | None) -> int:
    """Enter one file of the tree into an index. Raises ArchiveError."""
    if receipt and not receipt.digest:
        receipt = None
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
