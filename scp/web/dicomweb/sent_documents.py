"""Metadata that came as JSON or XML, with the bulk data that they name (PS3.18 10.5.2)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

from pydicom.datadict import dictionary_VR, tag_for_keyword

from scp.copies.conversion.limits import Conversion, Spool
from scp.web.dicomweb.sent_pictures import SentPicture, is_picture, picture_of
from scp.web.media import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    JSON,
    SYNTAXES_OF,
    XML,
    FileRange,
    IncomingPart,
)
from scp.web.models import Encapsulated, ReadDataSet, ReadElement, read_json, read_xml
from storage.diagnostics import BudgetError, DataSetError

_MOST_DOCUMENT_BYTES, _MOST_PICTURE_BYTES = 32 << 20, 64 << 20
# The media types of metadata, also by plainer names.
KINDS = {JSON: JSON, "application/json": JSON, XML: XML, "application/xml": XML}
_NATIVE = EXPLICIT_VR_LITTLE_ENDIAN
_AVAILABLE_SYNTAX, _PIXEL_DATA = 0x00083002, 0x7FE00010


class _Bulk(NamedTuple):
    """A part of bulk data; `transfer_syntax` is empty where it was not told."""

    media_type: str
    transfer_syntax: str
    held: FileRange


class Documents:
    """The parts of a request, bulk data in a temporary file that is gone with the block."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type
        self._made: list[ReadDataSet] = []
        self._bulk: dict[str, list[_Bulk]] = {}  # by the URI that it stands for
        self._conversion = Conversion()
        self._spool = Spool(self._conversion)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._spool.close()
        self._conversion.__exit__()

    def take(self, part: IncomingPart) -> None:
        """Take a part. Raises DataSetError, MultipartError, LimitError."""
        said = part.content_type
        kind = KINDS.get(said.media_type)
        if kind is None and not self._made and "content-location" not in part.headers:
            kind = self._media_type
        if kind == JSON:
            self._made += read_json(part.read(_MOST_DOCUMENT_BYTES))
        elif kind == XML:
            self._made.append(read_xml(part.read(_MOST_DOCUMENT_BYTES)))
        else:
            syntax = said.transfer_syntax if said.transfer_syntax != "*" else ""
            found = _Bulk(said.media_type, syntax, self._spooled(part.chunks))
            self._bulk.setdefault(_where(part), []).append(found)

    def data_sets(self) -> Iterator[ReadDataSet]:
        """What the documents tell of. Raises DataSetError where there is none."""
        if not self._made:
            raise DataSetError("There are no metadata in it")
        yield from self._made

    def completed(self, made: ReadDataSet) -> ReadDataSet:
        """The same, where its pixel data came as pictures with what they say of themselves.

        Raises DataSetError.
        """
        pixels = made.elements.get(_PIXEL_DATA)
        parts = self._bulk.get(pixels.uri, []) if pixels and pixels.uri else []
        if not pixels or not parts or parts[0].transfer_syntax:
            return made
        pictures = [one for one in map(_picture, parts) if one]
        if not pictures:
            return made
        if len(pictures) < len(parts) or len({one.transfer_syntax_uid for one in pictures}) > 1:
            raise DataSetError("Its frames are of several kinds")
        frames = [frame for one in pictures for frame in one.frames]
        syntax, kind = pictures[0].transfer_syntax_uid, parts[0].media_type
        if syntax == _NATIVE:
            frames = [b"".join(frames)]
        self._bulk[pixels.uri] = [_Bulk(kind, syntax, self._spooled([one])) for one in frames]
        told = pictures[0].pixels
        if len(parts) > 1:
            told = told | {"NumberOfFrames": str(len(parts))}
        return _with_pixels(made, told, is_native=syntax == _NATIVE)

    def transfer_syntax_of(self, made: ReadDataSet) -> str:
        """That of its pixel data as it came, else what the metadata say."""
        pixels = made.elements.get(_PIXEL_DATA)
        if pixels and pixels.uri in self._bulk:
            return _syntax_of(self._bulk[pixels.uri][0])
        return made.transfer_syntax_uid or made.text(_AVAILABLE_SYNTAX) or _NATIVE

    def bulk(self, uri: str) -> FileRange | Encapsulated:
        """The bytes that a URI stands for. Raises DataSetError where they did not come."""
        found = self._bulk.get(uri)
        if not found:
            raise DataSetError(f"No part has the Content-Location {uri[:200]!r}")
        if _syntax_of(found[0]) != _NATIVE:
            return Encapsulated([one.held for one in found])
        if len(found) > 1:
            raise DataSetError(f"{len(found)} parts have the Content-Location {uri[:200]!r}")
        return found[0].held

    def _spooled(self, chunks: Iterable[bytes]) -> FileRange:
        file = cast(BinaryIO, self._spool)
        start = self._spool.seek(0, 2)
        for chunk in chunks:
            self._spool.write(chunk)
        return FileRange(file, start, self._spool.tell() - start)


def _syntax_of(bulk: _Bulk) -> str:
    return bulk.transfer_syntax or SYNTAXES_OF.get(bulk.media_type, (_NATIVE,))[0]


def _picture(bulk: _Bulk) -> SentPicture | None:
    if not is_picture(bulk.media_type):
        return None
    if bulk.held.length > _MOST_PICTURE_BYTES:
        raise BudgetError(f"A picture of more than {_MOST_PICTURE_BYTES} bytes")
    return picture_of(bulk.media_type, b"".join(bulk.held.chunks()))


def _with_pixels(made: ReadDataSet, told: dict[str, str], is_native: bool) -> ReadDataSet:
    """With the attributes of its pixels: those that were decoded here are as they are now."""
    elements = dict(made.elements)
    for keyword, value in told.items():
        tag = tag_for_keyword(keyword) or 0
        if is_native or tag not in elements:
            elements[tag] = ReadElement(tag, dictionary_VR(tag), (value,))
    vr = "OW" if is_native and told["BitsAllocated"] == "16" else "OB"
    elements[_PIXEL_DATA] = replace(elements[_PIXEL_DATA], vr=vr)
    return ReadDataSet(elements)


def _where(part: IncomingPart) -> str:
    """What a BulkDataURI calls a part: its Content-Location, or the cid of its Content-ID."""
    name = part.headers.get("content-id", "").strip().strip("<>")
    return part.headers.get("content-location", "").strip() or f"cid:{name}" * bool(name)
