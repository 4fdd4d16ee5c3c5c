"""An instance: its elements as a tree, what a report says, a document that it holds."""

from dataclasses import replace
from itertools import islice

from pydicom.tag import Tag
from pydicom.uid import UID, EncapsulatedPDFStorage, ExplicitVRBigEndian
from werkzeug.wrappers import Response

from scp.web.page.study.elements import CONTENT, Line, Row, report, rows
from scp.web.page.study.held import LAST_HEADER_TAG, header_of, located_one, path_of, study_of
from scp.web.page.study.waveforms import WAVEFORMS, Drawn, drawn
from scp.web.page.surface import page
from scp.web.request import Asked, NotFoundError
from storage import ArchiveError, Location
from storage.dicom.data_sets import STORED
from storage.index import counts

_MOST_ROWS, _MOST_LINES = 5000, 5000
_DOCUMENT = Tag("EncapsulatedDocument")
_LARGE = replace(STORED, value_bytes=64 << 20)
# The beginning of the UIDs of SOP classes of documents (PS3.4 B.5).
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_PDF, _PDF_BEGINS = "application/pdf", b"%PDF-"
# A document is a stranger's: it is only shown as what it is, and only by a page of ours.
_DOCUMENT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; "
    "plugin-types application/pdf; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache",
}  # fmt: skip


def shown(asked: Asked, study: str, series: str, instance: str) -> Response:
    """The view of an instance."""
    location = located_one(asked, study, series, instance)
    found = study_of(asked, study)
    tree, lines, is_cut, fault = _read(asked, location)
    here = path_of(study, series, instance)
    return page(
        asked, "instance", study=found, series=series, uid=instance, elements=tree, report=lines,
        waveforms=_waveforms(asked, location), is_cut=is_cut, fault=fault,
        kind=UID(location.sop_class_uid).name,
        syntax=UID(location.transfer_syntax_uid).name, bytes=location.file_bytes,
        arrived=location.arrived, digest=location.digest,
        sender=counts.senders(asked.context.archive.index, [location.uids])[location.uids],
        document=f"{here}/document" if _is_document(location) else "",
        is_pdf=location.sop_class_uid == EncapsulatedPDFStorage,
        study_path=path_of(study), series_path=path_of(study, series),
    )  # fmt: skip


def _read(asked: Asked, location: Location) -> tuple[list[Row], list[Line], bool, str]:
    """Rows, lines of a report, whether there are more rows, and what is wrong."""
    charset = location.charset or asked.context.settings.storage.charset
    tree: list[Row] = []
    # A document may be large, and is shown as what it is.
    last_tag = _DOCUMENT - 1 if _is_document(location) else LAST_HEADER_TAG
    try:
        header = header_of(asked, location, last_tag=last_tag)
        tree += islice(rows(header, charset), _MOST_ROWS + 1)
        lines = list(islice(report(header, charset), _MOST_LINES)) if CONTENT in header else []
    except (ArchiveError, OSError) as error:
        return tree, [], False, str(error)
    return tree[:_MOST_ROWS], lines, len(tree) > _MOST_ROWS, ""


def _waveforms(asked: Asked, location: Location) -> list[Drawn]:
    """Its waveforms, where there are any that can be read."""
    try:
        header = header_of(asked, location, [WAVEFORMS], limits=_LARGE)
        is_big = location.transfer_syntax_uid == ExplicitVRBigEndian
        return drawn(header, not is_big) if WAVEFORMS in header else []
    except (ArchiveError, OSError):  # the elements say what is wrong
        return []


def _is_document(location: Location) -> bool:
    return location.sop_class_uid.startswith(_DOCUMENTS)


def document(asked: Asked, study: str, series: str, instance: str) -> Response:
    """The document that an instance encapsulates (PS3.3 C.24.2): a PDF to be shown, else a file."""
    location = located_one(asked, study, series, instance)
    header = header_of(asked, location, [_DOCUMENT], limits=_LARGE)
    if _DOCUMENT not in header:
        raise NotFoundError("it holds no document")
    element = header.get_item(_DOCUMENT, keep_deferred=True)
    data = bytes(element.value or b"") if element else b""
    is_pdf = data.startswith(_PDF_BEGINS)
    answer = Response(data, content_type=_PDF if is_pdf else "application/octet-stream")
    answer.headers.extend(_DOCUMENT_HEADERS)
    ending = "pdf" if is_pdf else "bin"
    how = "inline" if is_pdf else "attachment"
    answer.headers["Content-Disposition"] = f'{how}; filename="{instance}.{ending}"'
    return answer
