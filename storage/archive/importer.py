"""Instances from files, through the same door as C-STORE."""

import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from storage.archive.archive import Archive
from storage.archive.batch import store_all
from storage.archive.import_sources import (
    MEDIA_DIRECTORY,
    STANDARD_INPUT,
    ImportSource,
    Opener,
    opened,
)
from storage.archive.receiving.received import Received
from storage.archive.tar_members import DAMAGES, OnePass
from storage.diagnostics import ArchiveError, DataSetError, ResourceError
from storage.dicom import FileMeta, instance_header, part10
from storage.dicom.values import Uids
from storage.files import IncomingDataSet, digest_of_rest, words_of
from storage.index import digest_in, is_entered

_BLOCK_BYTES = 1024 * 1024
# Larger ones are looked up before they are written to be compared.
_LOOKED_UP_BYTES = 64 * 1024
_ALREADY_THERE, NO_DICOM = "already there", "no DICOM"
_NO_DICOM_GIVEN = (
    "Neither a DICOM file nor a tar or zip archive; paths are given as arguments, as xargs does"
)
_VR = re.compile(rb"[A-Z]{2}")
_FIRST = struct.Struct("<HH2s2x")
# Elements with which a data set begins: up to the SOP Instance UID.
_MAX_FIRST = 0x0019

# What is wrong with a SOP class and a transfer syntax, by who takes them; empty: nothing.
Objection = Callable[[str, str], str]


@dataclass(frozen=True)
class Taken:
    """What became of a source: the name of an outcome, or why it was refused."""

    source: str
    size: int
    outcome: str = ""
    refused: str = ""
    study: str = ""


@dataclass(frozen=True)
class Importer:
    """Stores what files hold; `charset` is for text that names none, `sender` for the journal.

    `by_data_set`: its UIDs count, where the File Meta Information names others.
    """

    archive: Archive
    charset: str
    sender: str
    objection: Objection
    by_data_set: bool = False

    def take(
        self,
        sources: Iterable[ImportSource],
        storing: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> list[Taken]:
        """What becomes of the sources, each read before the next is asked for.

        They are stored, together, within `storing()`. Raises ResourceError where there is no more
        room.
        """
        taken: dict[ImportSource, Taken] = {}
        order: list[ImportSource] = []
        arrived: dict[ImportSource, tuple[Received, IncomingDataSet]] = {}
        try:
            with opened() as opener:
                for source in sources:
                    order.append(source)
                    found = self._read(source, opener)
                    if isinstance(found, Taken):
                        taken[source] = found
                    else:
                        arrived[source] = found
            with storing():
                results = store_all(self.archive, list(arrived.values()))
        finally:
            for _, intake in arrived.values():
                intake.discard()
        for source, result in zip(arrived, results, strict=True):
            if isinstance(result, ResourceError):
                raise result
            where = str(source), source.size
            if isinstance(result, ArchiveError):
                taken[source] = Taken(*where, refused=str(result))
            else:
                taken[source] = Taken(*where, result.outcome.value, study=result.uids[0])
        return [taken[source] for source in order]

    def _read(
        self, source: ImportSource, opener: Opener
    ) -> Taken | tuple[Received, IncomingDataSet]:
        where = str(source), source.size
        try:
            with opener.open(source) as file:
                meta = _meta(file, source.size, self.by_data_set)
                if meta is None and source.path == STANDARD_INPUT and not source.member:
                    return Taken(*where, refused=_NO_DICOM_GIVEN)
                if meta is None or meta.sop_class_uid == MEDIA_DIRECTORY:
                    return Taken(*where, NO_DICOM)
                if wrong := self.objection(meta.sop_class_uid, meta.transfer_syntax_uid):
                    return Taken(*where, refused=wrong)
                is_looked_up = source.size > _LOOKED_UP_BYTES and not isinstance(file, OnePass)
                if is_looked_up and (study := self._study_of_held(file, meta)):
                    return Taken(*where, _ALREADY_THERE, study=study)
                return self._arrive(file, meta)
        except ResourceError:
            raise
        except ArchiveError as error:
            return Taken(*where, refused=str(error))
        except (*DAMAGES, zipfile.BadZipFile) as error:
            words = words_of(error) if isinstance(error, OSError) else error
            return Taken(*where, refused=f"Cannot be read: {words}")

    def _study_of_held(self, file: BinaryIO, meta: FileMeta) -> str:
        """The study of an instance that is held as it is in `file`, else nothing."""
        if not is_entered(self.archive.index, meta.sop_instance_uid):
            return ""
        header = instance_header.header(file, meta.transfer_syntax_uid, self.charset)
        file.seek(meta.data_set_offset)
        held = digest_in(self.archive.index, header.uids)
        if not held:
            return ""
        same = held == digest_of_rest(file)
        file.seek(meta.data_set_offset)
        there = same and _lies_there(self.archive, header.uids, meta.transfer_syntax_uid)
        return header.uids[0] if there else ""

    def _arrive(self, file: BinaryIO, meta: FileMeta) -> tuple[Received, IncomingDataSet]:
        said = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid
        intake = self.archive.receive(*said)
        while block := file.read(_BLOCK_BYTES):
            intake.write(block)
        return Received(*said, intake, self.charset, self.sender), intake


def _lies_there(archive: Archive, uids: Uids, syntax: str) -> bool:
    try:
        with archive.tree.open(uids) as file:
            return part10.read(file).transfer_syntax_uid == syntax
    except (OSError, DataSetError):
        return False


def _meta(file: BinaryIO, size: int, by_data_set: bool) -> FileMeta | None:
    """What the file is, and stands at its data set then; None: no DICOM file.

    Raises DataSetError where it is one, but damaged.
    """
    start = file.read(132)
    file.seek(0)
    if start[128:] == b"DICM":
        meta = part10.read(file)
    elif bare := part10.read_without_preamble(file):
        meta = bare
    elif syntax := _bare_syntax(start, size):
        meta = FileMeta("", "", syntax, 0)
    else:
        return None
    is_named = bool(meta.sop_class_uid and meta.sop_instance_uid)
    if meta.sop_class_uid == MEDIA_DIRECTORY or (is_named and not by_data_set):
        return meta
    header = instance_header.header(file, meta.transfer_syntax_uid, "")
    file.seek(meta.data_set_offset)
    return FileMeta(
        header["SOPClassUID"],
        header["SOPInstanceUID"],
        meta.transfer_syntax_uid,
        meta.data_set_offset,
    )


def _bare_syntax(start: bytes, size: int) -> str:
    """The transfer syntax of a data set without Part 10 header, as old archives have; or nothing.

    Such a one begins with one of the first elements of group 0008.
    """
    if len(start) < _FIRST.size:
        return ""
    group, number, vr = _FIRST.unpack_from(start)
    if group == 0x0008 and number < _MAX_FIRST and _VR.fullmatch(vr):
        return str(ExplicitVRLittleEndian)
    if group == 0x0008 and number < _MAX_FIRST:
        (length,) = struct.unpack_from("<I", start, 4)
        return str(ImplicitVRLittleEndian) if length < size else ""
    return str(ExplicitVRBigEndian) if group == 0x0800 and _VR.fullmatch(vr) else ""
