"""STOW-RS (PS3.18 10.5): instances stored by the door of C-STORE, and a reason for each refusal."""

import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from pydicom.tag import Tag
from werkzeug.wrappers import Response

from scp.network.dimse import Status, sop_classes, status_of
from scp.web.dicomweb.sent_documents import Documents
from scp.web.media import JSON, XML, IncomingMultipart, IncomingPart, MultipartError, choose_report
from scp.web.models import ReadDataSet
from scp.web.request import (
    Asked,
    BadRequestError,
    ForbiddenError,
    UnsupportedTypeError,
    document,
    warned,
)
from storage import Received, Stored, StoreOutcome
from storage.archive import OnePass
from storage.diagnostics import ArchiveError, DataSetError, Event, MismatchError
from storage.dicom import part10
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import Uids

logger = logging.getLogger(__name__)

# Who sent it, for the journal and for [[forward]].
SENDER = "STOW-RS"
_BLOCK_BYTES = 1 << 20
_RETRIEVE_URL = Tag(0x0008, 0x1190)
_CLASS, _INSTANCE = Tag(0x0008, 0x1150), Tag(0x0008, 0x1155)
_FAILURE_REASON, _WARNING_REASON = Tag(0x0008, 0x1197), Tag(0x0008, 0x1196)
_FAILED, _STORED, _OTHERS = Tag(0x0008, 0x1198), Tag(0x0008, 0x1199), Tag(0x0008, 0x119A)
_OWN_CLASS, _OWN_INSTANCE = 0x00080016, 0x00080018


@dataclass
class Report:
    """What became of each instance of a request."""

    stored: list[Elements] = field(default_factory=list)
    failed: list[Elements] = field(default_factory=list)
    others: list[Elements] = field(default_factory=list)  # of which no UIDs are known
    reasons: list[str] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)
    is_out_of_resources: bool = False

    @property
    def status(self) -> int:
        """Of the answer (PS3.18 10.5.3.1)."""
        refused = len(self.failed) + len(self.others)
        if not refused:
            return 200
        if self.stored:
            return 202
        return 503 if self.is_out_of_resources else 409

    def elements(self, url: str) -> Elements:
        """The answer's data set (PS3.18 table 10.5.3-2)."""
        found: Elements = {_RETRIEVE_URL: Element("UR", url if self.stored else "")}
        for tag, items in ((_FAILED, self.failed), (_STORED, self.stored), (_OTHERS, self.others)):
            if items:
                found[tag] = Element("SQ", items=tuple(items))
        return found


def store(asked: Asked, study: str | None = None) -> Response:
    """Store the instances in the body of a request, those of one study where the path names it."""
    if not asked.context.web.store:
        raise ForbiddenError("[web] store is false: nothing is stored here")
    resource = asked.resource(study)
    kind = choose_report(*asked.accept)
    report, body = Report(), _body(asked)
    try:
        if body.media_type in (JSON, XML):
            with Documents(body.media_type) as held:
                for part in body.parts(asked.request.stream):
                    held.take(part)
                for made in held.data_sets():
                    _take_made(asked, made, held, study, report)
        else:
            for part in body.parts(asked.request.stream):
                _take(asked, part, study, report)
    except DataSetError as error:
        raise BadRequestError(str(error)) from error
    except MultipartError as error:
        # What came whole is stored, and is said so; the request as a whole was none.
        raise BadRequestError(
            f"{error}; {len(report.stored)} instances before are stored"
        ) from None
    if not (report.stored or report.failed or report.others):
        raise BadRequestError("there is no part in it")
    asked.told |= {"stored": len(report.stored), "reasons": report.reasons}
    one = next(iter(report.studies)) if len(report.studies) == 1 else study
    url = asked.resource(one).url if one else resource.url
    reasons = ["; ".join(dict.fromkeys(report.reasons))] if report.reasons else []
    return warned(document(report.elements(url), kind, report.status), reasons)


def _body(asked: Asked) -> IncomingMultipart:
    try:
        return IncomingMultipart.of(asked.request.headers.get("Content-Type", ""))
    except MultipartError as error:
        raise UnsupportedTypeError(str(error)) from error


def _take(asked: Asked, part: IncomingPart, study: str | None, report: Report) -> None:
    """Store what a part holds, and note what became of it. Raises MultipartError."""
    said = "", ""
    try:
        file = OnePass(_Chunks(part.chunks))
        meta = part10.read(cast(BinaryIO, file))
        said = meta.sop_class_uid, meta.sop_instance_uid
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        stored = _stored(asked, (*said, meta.transfer_syntax_uid), blocks, study)
    except ArchiveError as error:
        for _ in part.chunks:  # the next one begins behind it
            pass
        _refuse(report, said, error)
        return
    _accept(asked, report, said, stored)


def _take_made(
    asked: Asked, made: ReadDataSet, held: Documents, study: str | None, report: Report
) -> None:
    """The same of an instance whose metadata came as a document."""
    said = made.text(_OWN_CLASS), made.text(_OWN_INSTANCE)
    try:
        named = *said, held.transfer_syntax_of(made)
        _accept(asked, report, said, _stored(asked, named, made.chunks(held.bulk), study))
    except ArchiveError as error:
        _refuse(report, said, error)


def _stored(
    asked: Asked, named: tuple[str, str, str], blocks: Iterable[bytes], study: str | None
) -> Stored:
    """Store a data set; `named` are SOP class, SOP Instance and transfer syntax."""
    archive = asked.context.archive
    sop_class, _, syntax = named
    if not sop_classes.is_storage(sop_class):
        raise MismatchError(f"SOP class {sop_class[:80]} is none that is stored")
    if syntax not in sop_classes.STORAGE_SYNTAXES:
        raise MismatchError(f"Transfer syntax {syntax[:80]} is none that is taken")
    intake = archive.receive(*named)
    try:
        for block in blocks:
            intake.write(block)
        charset = asked.context.settings.storage.charset
        received = Received(*named, intake, charset, SENDER)
        if study is not None:
            header = archive.header_of(received, intake)
            if header.uids[0] != study:
                raise MismatchError("It is of another study than the path names")
        return archive.store(received)
    finally:
        intake.discard()


def _refuse(report: Report, said: tuple[str, str], error: ArchiveError) -> None:
    status = status_of(error)
    report.is_out_of_resources |= status is Status.OUT_OF_RESOURCES
    report.reasons.append(str(error))
    logger.error(Event("store refused", error, instance=said[1]))
    reason = Element("US", str(int(status)))
    if all(said):
        report.failed.append({
            _CLASS: Element("UI", said[0]), _INSTANCE: Element("UI", said[1]),
            _FAILURE_REASON: reason,
        })  # fmt: skip
    else:
        report.others.append({_FAILURE_REASON: reason})


def _accept(asked: Asked, report: Report, said: tuple[str, str], stored: Stored) -> None:
    uids: Uids = stored.uids
    item: Elements = {
        _CLASS: Element("UI", said[0]), _INSTANCE: Element("UI", said[1]),
        _RETRIEVE_URL: Element("UR", asked.resource(*uids).url),
    }  # fmt: skip
    if stored.outcome is StoreOutcome.KEPT:
        item[_WARNING_REASON] = Element("US", str(int(Status.ELEMENTS_DISCARDED)))
    report.stored.append(item)
    report.studies.add(uids[0])
    logger.info(Event(stored.outcome.value, peer=SENDER, instance=uids[2]))
    for disagreement in stored.disagreements:
        logger.warning(Event("disagreement", disagreement, instance=uids[2]))


class _Chunks(io.RawIOBase):
    """Chunks, read as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._held = b""

    def readable(self) -> bool:
        """It is read."""
        return True

    def read(self, count: int = -1) -> bytes:
        """The next bytes, which may be fewer than asked for; none at the end."""
        if not self._held:
            self._held = next(self._chunks, b"")
        if count < 0 or count >= len(self._held):
            found, self._held = self._held, b""
        else:
            found, self._held = self._held[:count], self._held[count:]
        return found
