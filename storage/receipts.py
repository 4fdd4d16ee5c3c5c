"""What the journal tells of each instance, and its file entered into an index by that."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from storage import extract, part10
from storage.content import digest_of_rest
from storage.errors import DataSetError
from storage.indexing import FileFacts, record
from storage.journal import RECEIPTS, Journal
from storage.models import Index
from storage.tree import Tree, Uids


@dataclass(frozen=True)
class Receipt:
    """How an instance was received: bytes and digest of its data set, assumed charset."""

    uids: Uids
    file_bytes: int
    digest: str
    charset: str


@dataclass
class Receipts:
    """Those of one instance, the last one last; any may be of the file that lies there.

    A receipt is written before its file is put in its place, and that may have failed: then it
    is withdrawn, and there may be none of the file that stayed.
    """

    uids: Uids
    of_digest: dict[str, Receipt] = field(default_factory=dict)
    withdrawn: bool = False

    @property
    def last(self) -> Receipt:
        """The one that came last, also where it was withdrawn."""
        return next(reversed(self.of_digest.values()))

    def add(self, receipt: Receipt) -> None:
        """Add the next one."""
        self.of_digest.pop(receipt.digest, None)
        self.of_digest[receipt.digest] = receipt

    def of(self, path: Path) -> Receipt | None:
        """The one that is of the file at `path`, which is read where there is a choice.

        Raises OSError, DataSetError.
        """
        if len(self.of_digest) == 1 and not self.withdrawn:
            return self.last  # a file that was damaged since is held to it
        return self.of_digest.get(digest_of_file(path))


def digest_of_file(path: Path) -> str:
    """The digest of the data set that a file holds. Raises OSError, DataSetError."""
    with path.open("rb") as file:
        part10.read(file)
        return digest_of_rest(file)


def last_receipts(tree: Tree, journal: Journal, start: int = 0) -> dict[Path, Receipts]:
    """The receipts of each instance, of those from byte `start` of the journal on."""
    found: dict[Path, Receipts] = {}
    for line in journal.read(RECEIPTS, start):
        study, series, instance = line["uids"]
        uids = (study, series, instance)
        path = tree.path(uids)
        of_instance = found.setdefault(path, Receipts(uids))
        if line.get("withdrawn"):
            of_instance.withdrawn = True
            continue
        digest = str(line["digest"])
        of_instance.add(Receipt(uids, int(line["bytes"]), digest, str(line["charset"])))
    return found


def record_file(
    tree: Tree, file: Path, index: Index, charset: str, receipts: Receipts | None
) -> int:
    """Enter one file of the tree into an index. Raises ArchiveError."""
    try:
        receipt = receipts.of(file) if receipts else None
        charset = receipt.charset if receipt else charset
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
