"""What is held, written as files of a folder, an archive or a medium."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from pydicom.uid import UID, ExplicitVRLittleEndian

from scp.copies.conversion.data_set import TranscodeError, chained
from scp.copies.corrected import Copies, in_turn, reachable, transcode_file
from scp.copies.export.dicomdir import Directory, RecordError
from scp.copies.export.names import ForMedia, Names, Readable
from scp.copies.export.targets import Target
from storage import Location
from storage.diagnostics import ArchiveError
from storage.dicom import instance_header, part10
from storage.dicom.data_sets import WHOLE, read_data_set

_EXPLICIT = str(ExplicitVRLittleEndian)
# The transfer syntaxes of the General Purpose profiles of PS3.11 annexes D, H and J: JPEG
# Baseline, Extended and Lossless, JPEG 2000.
_ON_MEDIA = frozenset({
    _EXPLICIT, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
})  # fmt: skip
_LAST_HEADER_TAG = 0x7FDFFFFF


@dataclass
class Exported:
    """What was written so far, and of what studies; `failed`: instances that were not."""

    instances: int = 0
    bytes: int = 0
    failed: int = 0
    studies: dict[str, None] = field(default_factory=dict)


class Export:
    """One export; `tell` is told of each instance that is not written, and why.

    `dicomdir`: for media, with a DICOMDIR (PS3.10 8).
    """

    def __init__(
        self, copies: Copies, target: Target, dicomdir: bool, done: Exported,
        tell: Callable[[Location, str], None],
    ) -> None:  # fmt: skip
        self._copies, self._target, self._done, self._tell = copies, target, done, tell
        self._names: Names = ForMedia() if dicomdir else Readable()
        self._directory = Directory() if dicomdir else None
        self._written: set[str] = set()

    def all(
        self, locations: Iterable[Location], advance: Callable[[int], None] = lambda size: None
    ) -> None:
        """Each instance, then the DICOMDIR. Raises OSError where the target takes no more."""
        for location in in_turn(self._copies, locations):
            # What lies in the tree may be unreadable: that is this instance's fault alone.
            fault = self._fault_of(location)
            if fault:
                self._done.failed += 1
                self._tell(location, fault)
            advance(location.file_bytes)
        if self._directory:
            self._target.add("DICOMDIR", BytesIO(self._directory.encoded()), compress=True)

    def _fault_of(self, location: Location) -> str:
        """Why an instance is not exported, or nothing. Raises OSError as `all` does."""
        try:
            fault = self._copies.fault_of(location)
            if fault:
                return fault
            file = self._copies.open(location).file
        except (ArchiveError, OSError) as error:
            return str(error)
        with file:
            try:
                source, header, name = self._prepared(file, location)
            except (ArchiveError, TranscodeError, RecordError) as error:
                return str(error)
            with source:
                self._done.bytes += self._target.add(name, source, _compresses(header))
        self._done.instances += 1
        self._done.studies[location.uids[0]] = None
        return ""

    def _prepared(
        self, file: BinaryIO, location: Location
    ) -> tuple[BinaryIO, part10.FileMeta, str]:
        """The Part 10 file to be written, at its start, with its header and name."""
        meta = part10.read(file)
        header = instance_header.header(file, meta.transfer_syntax_uid, location.charset)
        name = self._names.name(header)
        if name in self._written:
            raise RecordError(f"another instance is {name} already")
        file.seek(0)
        source = file
        if self._directory:
            source, meta = _for_media(file, meta)
            self._enter(source, meta, location.charset, name)
        self._written.add(name)
        return source, meta, name

    def _enter(self, source: BinaryIO, meta: part10.FileMeta, charset: str, name: str) -> None:
        assert self._directory
        part10.read(source)
        header = read_data_set(
            source, meta.transfer_syntax_uid, last_tag=_LAST_HEADER_TAG, limits=WHOLE
        )
        if not header.get("SpecificCharacterSet") and charset:
            header.SpecificCharacterSet = charset
        self._directory.add(header, meta, name)
        source.seek(0)


def _for_media(file: BinaryIO, meta: part10.FileMeta) -> tuple[BinaryIO, part10.FileMeta]:
    """The file in a transfer syntax that General Purpose media take, where it can be had."""
    if meta.transfer_syntax_uid in _ON_MEDIA or _EXPLICIT not in reachable(
        meta.transfer_syntax_uid
    ):
        return file, meta
    head = part10.header(meta.sop_class_uid, meta.sop_instance_uid, _EXPLICIT)
    converted = transcode_file(file, _EXPLICIT)
    return chained(head, converted, 0), part10.FileMeta(
        meta.sop_class_uid, meta.sop_instance_uid, _EXPLICIT, len(head)
    )


def _compresses(meta: part10.FileMeta) -> bool:
    """Whether it is worth while to compress it: pixels and data sets that are not yet."""
    syntax = UID(meta.transfer_syntax_uid)
    return syntax.is_transfer_syntax and not syntax.is_private and not syntax.is_compressed
