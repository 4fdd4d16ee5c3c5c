"""What a receiver gets of an instance that is held."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Protocol

from scp.copies.conversion.data_set import TranscodeError, chained
from scp.copies.corrected.amend import amended
from scp.copies.corrected.transcode import deflated, inflated
from storage import Location
from storage.archive import fault_of
from storage.diagnostics import DataSetError
from storage.dicom import instance_header, part10
from storage.dicom.data_sets import reader
from storage.files import InstanceFiles, status_of
from storage.journal.corrections import PATIENT_ID, Correction, in_force

# Instances that are known of before it is their turn.
FEW_AHEAD = 4


@dataclass(frozen=True)
class Copy:
    """An instance as a Part 10 file that stands at its start, and under which UID it goes.

    `is_corrected`: with other values than those that it came with.
    """

    file: BinaryIO
    sop_instance_uid: str
    is_corrected: bool = False


class Copies(Protocol):
    """Makes them; safe to use from many threads."""

    def open(self, location: Location) -> Copy:
        """A copy of an instance, for the caller to close. Raises ArchiveError, OSError."""

    def expect(self, locations: Sequence[Location], whole: bool = True) -> Sequence[Location]:
        """Be told of what is opened next, and whether whole: as what is returned."""

    def fault_of(self, location: Location) -> str:
        """What is wrong with the bytes that it is made from, or nothing; reads all of them."""


def in_turn(
    copies: Copies, locations: Iterable[Location], whole: bool = True,
    is_opened: Callable[[Location], bool] = lambda location: True,
) -> Iterator[Location]:  # fmt: skip
    """Each of some instances, of which `copies` is told a few before they are opened.

    `whole`: all of each is read; of those that are not opened it is told nothing.
    """
    rest, coming = iter(locations), deque[Location]()
    while True:
        if len(coming) <= FEW_AHEAD and (more := list(islice(rest, FEW_AHEAD))):
            opened = copies.expect([one for one in more if is_opened(one)], whole)
            told = {one.uids: one for one in opened}
            coming += [told.get(one.uids, one) for one in more]
        if not coming:
            return
        yield coming.popleft()


class AsCorrected:
    """Byte for byte what was received, but for what was corrected since; by `system`, the node."""

    def __init__(self, files: InstanceFiles, system: str) -> None:
        self._files = files
        self.system = system

    def expect(self, locations: Sequence[Location], whole: bool = True) -> Sequence[Location]:
        """Have the files know."""
        keys = self._files.expect([one.uids for one in locations], whole)
        return (
            [replace(one, key=keys.get(one.uids, "")) for one in locations] if keys else locations
        )

    def open(self, location: Location) -> Copy:
        """The file itself, or a copy of it with other values. Raises ArchiveError, OSError."""
        file = self._files.open(location.uids, location.key)
        made = None
        try:
            meta = part10.read(file)
            held = status_of(file).bytes - meta.data_set_offset
            if held != location.file_bytes:
                words = f"its file holds {held} bytes, {location.file_bytes} were received"
                raise DataSetError(words)
            corrections = self._corrections(location, file, meta.transfer_syntax_uid)
            if corrections:
                made = self._amended(file, location, meta, corrections)
            else:
                file.seek(0)
                made = file
        except TranscodeError as error:
            raise DataSetError(f"it cannot be corrected: {error}") from error
        finally:
            if made is None:
                file.close()
        return Copy(made, location.uids[2], bool(corrections))

    def fault_of(self, location: Location) -> str:
        """What is wrong with the file that is held, or nothing; reads all of it."""
        return fault_of(self._files, location)

    def _corrections(self, location: Location, file: BinaryIO, syntax: str) -> list[Correction]:
        corrections = in_force(self._files.data)
        if not corrections:
            return []
        patient_id = ""
        if corrections.of_patients:
            patient_id = instance_header.header(file, syntax, location.charset)[PATIENT_ID]
        return corrections.applying(location.uids, patient_id)

    def _amended(
        self, file: BinaryIO, location: Location, meta: part10.FileMeta,
        corrections: Sequence[Correction],
    ) -> BinaryIO:  # fmt: skip
        file.seek(0)
        head = file.read(meta.data_set_offset)
        syntax = meta.transfer_syntax_uid
        is_deflated = syntax in reader.DEFLATED
        data, start = (inflated(file), 0) if is_deflated else (file, meta.data_set_offset)
        found = amended(data, start, syntax, corrections, self.system, location.charset)
        if not is_deflated:
            return chained(head + found.head, data, found.rest, found.end)
        file.close()
        return chained(head, deflated(chained(found.head, data, found.rest, found.end)), 0)
