"""STOW-RS (PS3.18 10.5): instances stored by the door of C-STORE, and a reason for each refusal."""

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from werkzeug.wrappers import Response

from scp.network.dimse import sop_classes
from scp.web.dicomweb.reports import SENDER, NotTakenError, Report
from scp.web.dicomweb.sent_documents import KINDS, Documents
from scp.web.media import (
    DICOM,
    XML,
    Choice,
    IncomingMultipart,
    IncomingPart,
    MultipartError,
    choose_report,
    whole_of,
)
from scp.web.models import ReadDataSet
from scp.web.request import (
    MODELS,
    Asked,
    BadRequestError,
    ForbiddenError,
    UnsupportedTypeError,
    document,
    documents,
    warned,
)
from storage import Received, Stored
from storage.archive import OnePass
from storage.diagnostics import ArchiveError, DataSetError, MismatchError
from storage.dicom import part10

_BLOCK_BYTES = 1 << 20
_OWN_CLASS, _OWN_INSTANCE = 0x00080016, 0x00080018


def store(asked: Asked, study: str | None = None) -> Response:
    """Store the instances in the body of a request, those of one study where the path names it."""
    if not asked.context.web.store:
        raise ForbiddenError("[web] store is false: nothing is stored here")
    asked.resource(study)
    choice = choose_report(*asked.accept)
    report, (kind, parts) = Report(_sender_of(asked)), _body(asked)
    try:
        if kind in KINDS:
            with Documents(KINDS[kind]) as held:
                for part in parts:
                    held.take(part)
                for made in held.data_sets():
                    _take_made(asked, made, held, study, report)
        else:
            for part in parts:
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
    return _answer(asked, report, choice)


def _sender_of(asked: Asked) -> str:
    """Who sends, as the receipts of what is stored have it."""
    return f"{SENDER} {asked.user.name}".rstrip()


def _answer(asked: Asked, report: Report, choice: Choice) -> Response:
    """What became of them, and where the study is to be had (PS3.18 10.5.3)."""
    url = asked.resource(*report.studies).url if len(report.studies) == 1 else ""
    found = report.elements(url)
    if choice.is_multipart:
        answer = documents([MODELS[XML].elements(found)], XML)
        answer.status_code = report.status
    else:
        answer = document(found, choice.media_type, report.status)
    if url:
        answer.headers["Location"] = answer.headers["Content-Location"] = url
    reasons = ["; ".join(dict.fromkeys(report.reasons))] if report.reasons else []
    return warned(asked, answer, reasons)


def _body(asked: Asked) -> tuple[str, Iterator[IncomingPart]]:
    """The media type of a request's instances, and its parts: a body that is one is one part."""
    headers = asked.request.headers
    if coding := headers.get("Content-Encoding", ""):
        raise UnsupportedTypeError(f"Content-Encoding: takes none, not {coding[:40]!a}")
    kind, stream = headers.get("Content-Type", ""), asked.request.stream
    try:
        if (alone := whole_of(stream, kind, asked.request.content_length)) is not None:
            media_type, parts = alone.content_type.media_type, iter([alone])
        else:
            body = IncomingMultipart.of(kind)
            media_type, parts = body.media_type or DICOM, body.parts(stream)
    except MultipartError as error:
        raise UnsupportedTypeError(str(error)) from error
    if media_type not in (DICOM, *KINDS):
        raise UnsupportedTypeError(
            f"Content-Type: takes instances as {', '.join((DICOM, *KINDS))}, "
            f"not {media_type[:60]!a}"
        )
    return media_type, parts


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
        report.refuse(said, error)
        return
    report.accept(said, stored, asked.resource(*stored.uids).url)


def _take_made(
    asked: Asked, made: ReadDataSet, held: Documents, study: str | None, report: Report
) -> None:
    """The same of an instance whose metadata came as a document."""
    said = made.text(_OWN_CLASS), made.text(_OWN_INSTANCE)
    try:
        made = held.completed(made)
        named = *said, held.transfer_syntax_of(made)
        stored = _stored(asked, named, made.chunks(held.bulk), study)
    except ArchiveError as error:
        report.refuse(said, error)
        return
    report.accept(said, stored, asked.resource(*stored.uids).url)


def _stored(
    asked: Asked, named: tuple[str, str, str], blocks: Iterable[bytes], study: str | None
) -> Stored:
    """Store a data set; `named` are SOP class, SOP Instance and transfer syntax."""
    archive = asked.context.archive
    sop_class, _, syntax = named
    if words := sop_classes.objection(sop_class, syntax):
        raise NotTakenError(words, sop_class)
    intake = archive.receive(*named)
    try:
        for block in blocks:
            intake.write(block)
        charset = asked.context.settings.storage.charset
        received = Received(*named, intake, charset, _sender_of(asked))
        if study is not None:
            header = archive.header_of(received, intake)
            if header.uids[0] != study:
                raise MismatchError("It is of another study than the path names")
        return archive.store(received)
    finally:
        intake.discard()


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
