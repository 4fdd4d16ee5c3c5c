"""Metadata that came as JSON or XML, with the bulk data that they name (PS3.18 10.5.2)."""

from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self, cast

from pydicom.uid import ExplicitVRLittleEndian

from scp.copies.conversion.limits import Conversion, Spool
from scp.web.media import JSON, SYNTAXES_OF, XML, FileRange, IncomingPart
from scp.web.models import Encapsulated, ReadDataSet, read_json, read_xml
from storage.diagnostics import DataSetError

_MOST_DOCUMENT_BYTES = 32 << 20
_KINDS = {JSON: JSON, "application/json": JSON, XML: XML, "application/xml": XML}
_NATIVE = str(ExplicitVRLittleEndian)
_AVAILABLE_SYNTAX, _PIXEL_DATA = 0x00083002, 0x7FE00010


class Documents:
    """The parts of a request, bulk data in a temporary file that is gone with the block."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type
        self._made: list[ReadDataSet] = []
        self._bulk: dict[str, list[tuple[str, FileRange]]] = {}  # URI -> transfer syntax, bytes
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
        kind = _KINDS.get(said.media_type)
        if kind is None and not self._made and "content-location" not in part.headers:
            kind = self._media_type
        if kind == JSON:
            self._made += read_json(part.read(_MOST_DOCUMENT_BYTES))
        elif kind == XML:
            self._made.append(read_xml(part.read(_MOST_DOCUMENT_BYTES)))
        else:
            syntax = said.transfer_syntax or SYNTAXES_OF.get(said.media_type, (_NATIVE,))[0]
            where = part.headers.get("content-location", "").strip()
            self._bulk.setdefault(where, []).append((syntax, self._spooled(part)))

    def data_sets(self) -> Iterator[ReadDataSet]:
        """What the documents tell of. Raises DataSetError where there is none."""
        if not self._made:
            raise DataSetError("There are no metadata in it")
        yield from self._made

    def transfer_syntax_of(self, made: ReadDataSet) -> str:
        """That of its pixel data as it came, else what the metadata say."""
        pixels = made.elements.get(_PIXEL_DATA)
        if pixels and pixels.uri in self._bulk:
            return self._bulk[pixels.uri][0][0]
        return made.transfer_syntax_uid or made.text(_AVAILABLE_SYNTAX) or _NATIVE

    def bulk(self, uri: str) -> FileRange | Encapsulated:
        """The bytes that a URI stands for. Raises DataSetError where they did not come."""
        found = self._bulk.get(uri)
        if not found:
            raise DataSetError(f"No part has the Content-Location {uri[:200]!r}")
        if found[0][0] == _NATIVE:
            return found[0][1]
        return Encapsulated([one for _, one in found])

    def _spooled(self, part: IncomingPart) -> FileRange:
        file = cast(BinaryIO, self._spool)
        start = self._spool.seek(0, 2)
        for chunk in part.chunks:
            self._spool.write(chunk)
        return FileRange(file, start, self._spool.tell() - start)
