"""What an instance is shown as: pictures, video, a document, a report (PS3.18 table 8.7.4-1)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from scp.copies.conversion.data_set import Scope, StoredElement
from scp.copies.conversion.pixels import NoPixelDataError, StoredFrames
from scp.web.rendering import MEDIA_TYPES, as_html, as_text
from scp.web.request import Asked
from scp.web.retrieval.instances import data_set_of
from storage import Location

_CONTENT, _MIME_TYPE, _DOCUMENT = 0x0040A730, 0x00420012, 0x00420011
_DOCUMENT_LENGTH = 0x00420015
# What an Encapsulated Document is given as (PS3.3 C.24.2).
_DOCUMENTS = {"application/pdf": "application/pdf", "text/xml": "text/xml"}
_REPORTS: dict[str, Callable[[Scope, str], str]] = {"text/html": as_html, "text/plain": as_text}
# Grayscale and Color Softcopy Presentation State.
PRESENTATION_STATES = ("1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2")
_MPEG2 = ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101")
# All that something can be shown as.
SHOWN_TYPES = (*MEDIA_TYPES, "video/mp4", "video/mpeg", *_DOCUMENTS, *_REPORTS)
# Of SOP classes beginning so no instance has pixels: waveforms, presentation states, registrations,
# surfaces, reports, documents, and plans and structures of radiotherapy. Of raw data only its own:
# what begins as that does may be a Segmentation.
_STORAGE, _RAW_DATA = "1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.1.1.66"
_WITHOUT_PIXELS = tuple(
    _STORAGE + end
    for end in ("9.", "11.", "66.1", "66.2", "66.3", "66.5", "88.", "104.", "481.3", "481.5",
                "481.8")
)  # fmt: skip


def may_have_pixels(sop_class_uid: str) -> bool:
    """Whether an instance of a class may be an image."""
    return sop_class_uid != _RAW_DATA and not sop_class_uid.startswith(_WITHOUT_PIXELS)


@dataclass(frozen=True)
class Showable:
    """An instance that is to be shown."""

    location: Location
    transfer_syntax_uid: str
    scope: Scope

    @cached_property
    def frames(self) -> StoredFrames:
        """Its frames. Raises NoPixelDataError where it is no image, TranscodeError."""
        return StoredFrames(self.scope, self.transfer_syntax_uid)

    @property
    def is_presentation(self) -> bool:
        """Whether it says how others are to be shown."""
        return self.location.sop_class_uid in PRESENTATION_STATES

    @cached_property
    def media_types(self) -> tuple[str, ...]:
        """What it can be had as, the default first. Raises TranscodeError where that is nothing."""
        if self.is_presentation:
            return tuple(MEDIA_TYPES)
        try:
            return self._of_video if self.frames.is_video else tuple(MEDIA_TYPES)
        except NoPixelDataError:
            if found := self._of_documents:
                return found
            raise

    @property
    def _of_video(self) -> tuple[str, ...]:
        """Where the stream as it lies is what browsers know by that name (PS3.18 8.7.4)."""
        head = self.scope.source.read(self.frames.spans[0][0]._replace(length=8))
        if head[4:] == b"ftyp":
            return ("video/mp4",)
        return ("video/mpeg",) if self.transfer_syntax_uid.startswith(_MPEG2) else ()

    @property
    def _of_documents(self) -> tuple[str, ...]:
        if any(one.tag == _DOCUMENT for one in self.scope.elements):
            mime = self.scope.value(_MIME_TYPE, 64).decode("latin-1").strip(" \0").lower()
            return (_DOCUMENTS[mime],) if mime in _DOCUMENTS else ()
        is_report = any(one.tag == _CONTENT for one in self.scope.elements)
        return tuple(_REPORTS) if is_report else ()

    def body(self, media_type: str) -> tuple[int, Iterator[bytes]]:
        """What is no picture, in one of `media_types`: how many bytes, and those."""
        if media_type in _REPORTS:
            data = _REPORTS[media_type](self.scope, self.location.charset).encode()
            return len(data), iter([data])
        if media_type.startswith("video/"):
            return self.frames.body(0, is_native=False)
        return self._document()

    def _document(self) -> tuple[int, Iterator[bytes]]:
        """The document without its padding, where its length is told (PS3.3 C.24.2)."""
        element = next(one for one in self.scope.elements if one.tag == _DOCUMENT)
        assert isinstance(element, StoredElement)
        source, length = self.scope.source, element.length
        order = "little" if source.little_endian else "big"
        told = int.from_bytes(self.scope.value(_DOCUMENT_LENGTH, 4), order)  # type: ignore[arg-type]
        if 0 <= length - told <= 1:
            length = told
        return length, source.chunks(element.start, element.start + length)


def showable(asked: Asked, location: Location) -> Showable:
    """An instance, opened; what it lies in is closed with `asked`. Raises as `data_set_of`."""
    held = data_set_of(asked, location)
    return Showable(location, held.transfer_syntax_uid, held.scope())
