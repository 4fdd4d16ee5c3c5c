"""Copies of instances without what identifies the patient, made of other copies."""

from collections.abc import Sequence
from typing import BinaryIO

from scp.copies.conversion.data_set import TranscodeError, chained
from scp.copies.corrected import AsCorrected, Copies, Copy, deflated, inflated
from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances.data_set import deidentified
from scp.copies.deidentify.rules import Profile, Pseudonyms, Retain, secret_of
from storage import Archive, Location
from storage.diagnostics import DataSetError
from storage.dicom import part10
from storage.dicom.data_sets import reader


class Deidentified:
    """Those of `inner`, by a profile (PS3.15 E.1): with new UIDs unless they are retained."""

    def __init__(
        self,
        inner: Copies,
        profile: Profile,
        pseudonyms: Pseudonyms,
        report: DeidentificationReport | None = None,
    ) -> None:
        self._inner = inner
        self._profile = profile
        self._pseudonyms = pseudonyms
        self._report = report or DeidentificationReport()

    def open(self, location: Location) -> Copy:
        """A copy of the copy. Raises ArchiveError, OSError."""
        copy = self._inner.open(location)
        uid = copy.sop_instance_uid
        if Retain.UIDS not in self._profile.retained:
            uid = self._pseudonyms.uid(uid)
        made = None
        try:
            made = self._made(copy.file, uid, location.charset)
        except TranscodeError as error:
            raise DataSetError(f"cannot be de-identified: {error}") from error
        finally:
            if made is None:
                copy.file.close()
        return Copy(made, uid)

    def expect(self, locations: Sequence[Location], whole: bool = True) -> Sequence[Location]:
        """Have what these are made of know."""
        return self._inner.expect(locations, whole)

    def fault_of(self, location: Location) -> str:
        """What is wrong with the bytes that it is made from, or nothing; reads all of them."""
        return self._inner.fault_of(location)

    def _made(self, file: BinaryIO, uid: str, charset: str) -> BinaryIO:
        meta = part10.read(file)
        syntax = meta.transfer_syntax_uid
        # Nothing of the old header stays, neither titles nor private information.
        head = part10.header(meta.sop_class_uid, uid, syntax)
        if syntax not in reader.DEFLATED:
            return chained(head, self._data_set(file, meta.data_set_offset, meta, charset), 0)
        made = self._data_set(inflated(file), 0, meta, charset)
        file.close()
        return chained(head, deflated(made), 0)

    def _data_set(
        self, file: BinaryIO, start: int, meta: part10.FileMeta, charset: str
    ) -> BinaryIO:
        how = self._profile, self._pseudonyms, self._report
        return deidentified(file, start, meta, *how, charset)


def copies_for(
    archive: Archive,
    system: str,
    profile: Profile | None,
    report: DeidentificationReport | None = None,
) -> Copies:
    """What a command gives away of an archive; with a profile, de-identified by it.

    `system` is who has corrected. Raises ResourceError where there can be no secret.
    """
    copies: Copies = AsCorrected(archive.tree, system)
    if profile is None:
        return copies
    return Deidentified(copies, profile, Pseudonyms(secret_of(archive.journal)), report)
