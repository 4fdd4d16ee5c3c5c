"""Whether the file of an instance is what its row says."""

from pathlib import Path

from storage.diagnostics import ArchiveError
from storage.dicom import part10
from storage.files import digest_of_rest
from storage.index import Location


def fault_of(path: Path, held: Location) -> str:
    """What is wrong with the file of an instance, or nothing; reads all of it."""
    try:
        with path.open("rb") as file:
            meta = part10.read(file)
            found = path.stat().st_size - meta.data_set_offset
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
