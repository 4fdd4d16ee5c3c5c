"""Tree against index: each fault a sentence."""

from collections.abc import Iterator
from pathlib import Path

from storage import disagreements, extract, part10
from storage.archive import Archive
from storage.attributes import Level
from storage.content import digest_of_rest
from storage.errors import ArchiveError
from storage.finding import Location, every_location
from storage.indexing import digest_in


def check(archive: Archive, charset: str) -> Iterator[str]:
    """Compare tree and index, and every file with its digest; yields the faults."""
    tree, index = archive.tree, archive.index
    for held in every_location(index):
        path = tree.path(held.uids)
        fault = fault_of(path, held)
        if fault:
            yield f"{path}: {fault}"
    for path in tree.walk():
        try:
            with path.open("rb") as file:
                meta = part10.read(file)
                uids = extract.header(file, meta.transfer_syntax_uid, charset).uids
        except (ArchiveError, OSError) as error:
            yield f"{path}: {error}"
            continue
        if tree.path(uids) != path:
            yield f"{path}: its UIDs belong to {tree.path(uids)}"
        elif digest_in(index, uids) is None:
            yield f"{path}: not in the index"
    yield from disagreements.everywhere(index)


def counts(archive: Archive) -> dict[str, int]:
    """How many entities of each level are held."""
    return {level.name.lower(): archive.index[level].select().count() for level in Level}


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
