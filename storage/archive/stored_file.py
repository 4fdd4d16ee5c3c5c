"""Whether the file of an instance is what its row says."""

import os

from storage.diagnostics import ArchiveError
from storage.dicom import part10
from storage.files import Files, digest_of_rest
from storage.index import Location


def fault_of(files: Files, held: Location) -> str:
    """What is wrong with the file of an instance, or nothing; reads all of it."""
    try:
        with files.open(held.uids) as file:
            meta = part10.read(file)
            found = os.fstat(file.fileno()).st_size - meta.data_set_offset
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
