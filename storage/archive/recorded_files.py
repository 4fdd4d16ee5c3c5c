"""A file of the tree: read for an index, by what the journal tells of it, and held to its row."""

from dataclasses import replace

from storage.archive.finding import added_tags
from storage.diagnostics import ArchiveError, DataSetError
from storage.dicom import Header, header_values, instance_header, part10
from storage.dicom.values import Uids
from storage.files import Files, InstanceFiles, digest_of_rest, status_of
from storage.index import FileFacts, Index, Location, record
from storage.journal import Receipts
from storage.journal.corrections import in_force


def record_file(
    files: Files, uids: Uids, index: Index, charset: str, receipts: Receipts | None
) -> int:
    """Enter the file of an instance into an index. Raises ArchiveError."""
    header, facts = read_file(files, uids, charset, receipts)
    record(index, in_force(files.data).corrected(header), facts)
    return 1


def read_file(
    files: Files, uids: Uids, charset: str, receipts: Receipts | None
) -> tuple[Header, FileFacts]:
    """What an index holds of the file of an instance, not corrected. Raises ArchiveError."""
    try:
        receipt = receipts.of(files) if receipts else None
        charset = receipt.charset if receipt else charset
        with files.open(uids) as source:
            meta = part10.read(source)
            header = instance_header.header(source, meta.transfer_syntax_uid, charset)
            if tags := added_tags(files.data):
                source.seek(meta.data_set_offset)
                added = header_values(source, meta.transfer_syntax_uid, charset, tags)
                header = replace(header, added=added)
            held = status_of(source)
            file_bytes = held.bytes - meta.data_set_offset
    except OSError as error:
        raise DataSetError(f"cannot be read: {error.strerror}") from error
    if header.uids != uids:
        raise DataSetError("its UIDs belong to another path")
    # A file that was put into the tree by hand has no receipt, and so no digest to hold it to.
    if receipt and receipt.file_bytes != file_bytes:
        receipt = None
    told = (receipt.sender, receipt.received) if receipt else ("", 0)
    digest = receipt.digest if receipt else ""
    syntax = meta.transfer_syntax_uid
    return header, FileFacts(syntax, file_bytes, digest, charset, held.arrived, *told)


def fault_of(files: InstanceFiles, held: Location) -> str:
    """What in the file of an instance is not as its row says, or nothing; reads all of it."""
    try:
        with files.open(held.uids, held.key) as file:
            meta = part10.read(file)
            found = status_of(file).bytes - meta.data_set_offset
            digest = digest_of_rest(file) if held.digest else ""
    except FileNotFoundError:
        return "in the index, but not in the tree"
    except (ArchiveError, OSError) as error:
        return str(error)
    if meta.transfer_syntax_uid != held.transfer_syntax_uid:
        return f"in {meta.transfer_syntax_uid}, {held.transfer_syntax_uid} in the index"
    if found != held.file_bytes:
        return f"data set of {found} bytes, {held.file_bytes} in the index"
    return "" if digest == held.digest else "not the bytes that were received"
