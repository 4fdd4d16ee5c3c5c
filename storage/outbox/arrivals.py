"""What has arrived, by the journal: receipts whose instance is held with just that content."""

from collections.abc import Iterator
from dataclasses import dataclass

from storage.archive import Archive
from storage.diagnostics import DataSetError, MismatchError, ResourceError
from storage.dicom import Header, instance_header, part10
from storage.files import Files, status_of
from storage.index import Location, digest_in
from storage.journal import RECEIPTS, Receipt, in_journal

# Of the journal, read at a time: some hundred receipts.
_MOST_BYTES = 128 * 1024


@dataclass(frozen=True)
class Arrival:
    """An instance that is held, from whom it came, and its header."""

    location: Location
    sender: str
    header: Header


def end_of_lines(archive: Archive, start: int) -> int:
    """How far the journal can be read from `start` on: the last line may be still to come.

    Raises ResourceError.
    """
    return archive.journal.end_of_lines(RECEIPTS, start, _MOST_BYTES)


def receipts(archive: Archive, start: int, end: int) -> list[Receipt]:
    """Those of a part of the journal."""
    found = (one for _, one in in_journal(archive.journal, start, end))
    return [one for one in found if isinstance(one, Receipt)]


def arrived(archive: Archive, found: list[Receipt]) -> Iterator[Arrival | DataSetError]:
    """The instances of receipts that are held; those that cannot be read as errors.

    A receipt is written before its file is put in its place: it is waited for. Raises
    ResourceError.
    """
    for receipt in found:
        name = archive.tree.name(receipt.uids)
        if digest_in(archive.index, receipt.uids) != receipt.digest:
            with archive.tree.locked(receipt.uids):
                is_there = _holds(archive, receipt.uids, receipt.digest)
            if not is_there:
                continue
        try:
            yield _arrival(archive.tree, receipt)
        except FileNotFoundError:  # it is deleted already
            continue
        except PermissionError as error:  # which may be mended
            raise ResourceError(f"{name}: {error.strerror}") from error
        except OSError as error:
            yield DataSetError(f"{name}: {error.strerror}")
        except (DataSetError, MismatchError) as error:
            yield DataSetError(f"{name}: {error}")


def is_held(archive: Archive, location: Location) -> bool:
    """Whether it lies in the tree with just this content. Raises ResourceError."""
    return _holds(archive, location.uids, location.digest)


def _holds(archive: Archive, uids: tuple[str, str, str], digest: str) -> bool:
    if not archive.tree.holds(uids):
        return False
    if digest_in(archive.index, uids) == digest:
        return True
    # Without a row it is that of a process that was killed, or the index is made anew.
    try:
        return archive.tree.digest(uids) == digest
    except FileNotFoundError:
        return False
    except (OSError, DataSetError):
        return True  # who sends it will say what is wrong


def _arrival(files: Files, receipt: Receipt) -> Arrival:
    with files.open(receipt.uids) as file:
        meta = part10.read(file)
        size = status_of(file).bytes - meta.data_set_offset
        header = instance_header.header(file, meta.transfer_syntax_uid, receipt.charset)
    location = Location(
        receipt.uids, header["SOPClassUID"], meta.transfer_syntax_uid, size, receipt.digest,
        receipt.charset,
    )  # fmt: skip
    return Arrival(location, receipt.sender, header)
