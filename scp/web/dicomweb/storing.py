"""STOW-RS (PS3.18 10.5): instances stored by the door of C-STORE, and a reason for each refusal."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from pydicom.tag import Tag
from werkzeug.wrappers import Response

from scp.network.dimse import Status, sop_classes, status_of
from scp.web.dicomweb.bodies import document, warned
from scp.web.dicomweb.context import Asked
from scp.web.dicomweb.errors import ForbiddenError, UnsupportedTypeError
from scp.web.dicomweb.resources import BadRequestError
from scp.web.media.accept import choose_report
from scp.web.media.errors import MultipartError
from scp.web.media.parts import IncomingMultipart, IncomingPart
from storage import Received, Stored, StoreOutcome
from storage.archive.tar_members import OnePass
from storage.diagnostics import ArchiveError, Event, MismatchError
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
_COMMENT = Tag(0x0000, 0x0902)


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
    kind = choose_report(asked.request.headers.get("Accept", ""),
                         asked.request.args.get("accept", ""))  # fmt: skip
    report, body = Report(), _body(asked)
    try:
        for part in body.parts(asked.request.stream):
            _take(asked, part, study, report)
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
        stored = _stored(asked, meta, file, study)
    except ArchiveError as error:
        _rest_of(part)
        _refuse(report, said, error, part)
        return
    _accept(asked, report, said, stored)


def _stored(asked: Asked, meta: part10.FileMeta, file: OnePass, study: str | None) -> Stored:
    archive, syntax = asked.context.archive, meta.transfer_syntax_uid
    if not sop_classes.is_storage(meta.sop_class_uid):
        raise MismatchError(f"SOP class {meta.sop_class_uid[:80]} is none that is stored")
    if syntax not in sop_classes.STORAGE_SYNTAXES:
        raise MismatchError(f"Transfer syntax {syntax[:80]} is none that is taken")
    intake = archive.receive(meta.sop_class_uid, meta.sop_instance_uid, syntax)
    try:
        while block := file.read(_BLOCK_BYTES):
            intake.write(block)
        received = Received(
            meta.sop_class_uid, meta.sop_instance_uid, syntax, intake,
            asked.context.settings.storage.charset, SENDER,
        )  # fmt: skip
        if study is not None:
            header = archive.header_of(received, intake)
            if header.uids[0] != study:
                raise MismatchError("It is of another study than the path names")
        return archive.store(received)
    finally:
        intake.discard()


def _refuse(report: Report, said: tuple[str, str], error: ArchiveError, part: IncomingPart) -> None:
    status = status_of(error)
    report.is_out_of_resources |= status is Status.OUT_OF_RESOURCES
    report.reasons.append(str(error))
    logger.error(Event("store refused", error, instance=said[1]))
    reason = Element("US", str(int(status)))
    comment = Element("LO", str(error)[:64])
    if all(said):
        report.failed.append({
            _CLASS: Element("UI", said[0]), _INSTANCE: Element("UI", said[1]),
            _FAILURE_REASON: reason, _COMMENT: comment,
        })  # fmt: skip
    else:
        report.others.append({_FAILURE_REASON: reason, _COMMENT: comment})


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


def _rest_of(part: IncomingPart) -> None:
    for _ in part.chunks:
        pass


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
