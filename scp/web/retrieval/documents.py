"""Metadata and bulk data: what a data set says, and what it holds (PS3.18 10.4.1.1.2, -.5)."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice

from werkzeug.wrappers import Response

from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    DataSetSource,
    Scope,
    StoredElement,
    find,
    swapped,
    unit,
)
from scp.copies.corrected import in_turn
from scp.copies.documents import BULK_DATA
from scp.web.http import in_pieces, not_modified
from scp.web.media import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    JSON,
    OCTETS,
    NotAcceptableError,
    Part,
    choose_bulk,
    choose_metadata,
)
from scp.web.models import Head, is_bulk
from scp.web.request import (
    MODELS,
    Asked,
    BadRequestError,
    NotFoundError,
    Resource,
    multipart,
    part,
)
from scp.web.retrieval import frames
from scp.web.retrieval.instances import data_set_of, located, retrieve, tag_of, tag_of_all
from storage import Level, Location
from storage.archive import Selected
from storage.dicom import part10

_TAG, _NUMBER = re.compile(r"[0-9A-Fa-f]{8}"), re.compile(r"[1-9][0-9]{0,6}")
# A value is Little Endian, however it is stored (PS3.18 8.7.3.5).
_VALUE = f"{OCTETS}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"


def metadata(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """What the instances of a study or series say, or one, without what is bulk."""
    resource = asked.resource(study, series, instance)
    kind = choose_metadata(*asked.accept)
    found = located(asked, resource)
    asked.told["instances"] = len(found)
    if kind == JSON:
        return _json_answer(asked, resource, found)

    def parts() -> Iterator[Part]:
        for location in in_turn(asked.context.copies, found, whole=False):
            where = resource.of_instance(location.uids).url
            data = _document(asked, location, kind, where)
            yield part(kind, f"{where}/metadata", data, len(data))

    return multipart(parts(), kind)


def _json_answer(asked: Asked, resource: Resource, found: Selected) -> Response:
    tag = tag_of_all(asked, found, JSON)
    if unchanged := not_modified(asked.request, tag):
        return unchanged
    # So that what is wrong with the first instance is told by a status.
    pieces = in_pieces(_json(asked, resource, found))
    answer = Response(chain([next(pieces)], pieces), content_type=JSON)
    answer.set_etag(tag)
    return answer


def _json(asked: Asked, resource: Resource, found: Iterable[Location]) -> Iterator[bytes]:
    if resource.level is Level.IMAGE:  # alone it is as quickly read
        where = resource.url
        yield from (b"[%s]\n" % _document(asked, one, JSON, where) for one in found)
        return
    before = b"["
    for one in asked.context.documents.of(found):
        where = resource.of_instance(one.location.uids).url
        yield before + one.text.replace(BULK_DATA, b'"BulkDataURI":"%s/bulkdata/' % where.encode())
        before = b",\n"
    yield b"]\n"


def _document(asked: Asked, location: Location, kind: str, where: str) -> bytes:
    base = f"{where}/bulkdata/"
    with asked.context.copies.open(location).file as file:
        file.seek(0)
        meta = part10.read(file)
        held = file, meta.data_set_offset, meta.transfer_syntax_uid, location.charset
        return MODELS[kind].data_set(*held, partial(_uri, base))


def _uri(base: str, path: tuple[int, ...]) -> str:
    """Of a value by its tag; in items of sequences by tag, number of the item, and so on."""
    return base + "/".join(f"{one:08X}" if n % 2 == 0 else str(one) for n, one in enumerate(path))


def bulk_data(asked: Asked, study: str, series: str, instance: str, path: str) -> Response:
    """A value of an instance, by the path that its metadata names."""
    location = located(asked, asked.resource(study, series, instance))[0]
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or not all(
        (_TAG, _NUMBER)[number % 2].fullmatch(step) for number, step in enumerate(steps)
    ):
        raise BadRequestError(f"bulkdata/{path[:80]}: takes a tag, or tags with items between")
    if len(steps) == 1 and int(steps[0], 16) == PIXEL_DATA:
        held = frames.image_of(asked, location)
        if held.is_encapsulated:
            return frames.answer(asked, location, held, range(held.count), "bulkdata")
    scope, element = _at(data_set_of(asked, location).source(), steps)
    return _value_answer(asked, location, scope, element, path)


def _at(source: DataSetSource, steps: list[str]) -> tuple[Scope, StoredElement]:
    """The element at a path, and those around it. Raises NotFoundError."""
    scope = Scope(source, list(source.elements()))
    element = _element(scope, steps[0])
    for depth, (item, tag) in enumerate(zip(steps[1::2], steps[2::2], strict=True), 1):
        found = next(islice(source.items(element, depth), int(item) - 1, None), None)
        if found is None:
            raise NotFoundError(f"there is no item {item}")
        scope = Scope(source, list(found.elements), scope)
        element = _element(scope, tag)
    return scope, element


def _element(scope: Scope, tag: str) -> StoredElement:
    for one in scope.elements:
        if one.tag == int(tag, 16) and isinstance(one, StoredElement):
            return one
    raise NotFoundError(f"there is no {tag.upper()} in it")


def _value_answer(
    asked: Asked, location: Location, scope: Scope, element: StoredElement, path: str
) -> Response:
    request = asked.request
    is_multipart = choose_bulk(*asked.accept).is_multipart
    chunks = _value(scope, element, element.vr or find(element.tag, scope))
    if is_multipart:
        where = f"{asked.resource(*location.uids).url}/bulkdata/{path}"
        return multipart(iter([part(_VALUE, where, chunks, element.length)]), OCTETS)
    answer = Response(chunks, content_type=_VALUE)
    answer.content_length = element.length
    answer.set_etag(tag_of(asked, location, "bulkdata", path))
    return answer.make_conditional(request, accept_ranges=True, complete_length=element.length)


def _value(scope: Scope, element: StoredElement, vr: str) -> Iterator[bytes]:
    """The bytes of a value, as `_VALUE` says."""
    source = scope.source
    chunks = source.chunks(element.start, element.start + element.length)
    return chunks if source.little_endian or unit(vr) <= 1 else swapped(vr, chunks)


def instances_or_bulk_data(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """The instances of a resource; or bulk data, where parts of octets are asked for (10.4.4)."""
    try:
        return retrieve(asked, study, series, instance)
    except NotAcceptableError as error:
        try:
            is_bulk_data = choose_bulk(*asked.accept).is_multipart
        except NotAcceptableError:
            raise error from None
        if not is_bulk_data:
            raise
    return all_bulk_data(asked, study, series, instance)


def all_bulk_data(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """All bulk data of the instances of a resource, each value a part (PS3.18 10.4.1.1.5)."""
    resource = asked.resource(study, series, instance)
    choose_bulk(*asked.accept)
    found = located(asked, resource)

    def parts() -> Iterator[Part]:
        for location in in_turn(asked.context.copies, found):
            with asked.apart() as one:
                yield from _bulk_parts(one, location)

    return multipart(parts(), OCTETS)


def _bulk_parts(asked: Asked, location: Location) -> Iterator[Part]:
    source = data_set_of(asked, location).source()
    base = f"{asked.resource(*location.uids).url}/bulkdata/"
    scope = Scope(source, list(source.elements()))
    for element in scope.elements:
        assert isinstance(element, StoredElement)
        vr = element.vr or find(element.tag, scope)
        if not is_bulk(Head(element.tag, vr), element.length):
            continue
        if element.is_undefined:
            held = frames.frames_of(asked, location)
            for number in range(held.count):
                length, chunks = held.body(number, is_native=False)
                kind = f"{OCTETS}; transfer-syntax={held.transfer_syntax_uid}"
                where = f"{asked.resource(*location.uids).url}/frames/{number + 1}"
                yield part(kind, where, chunks, length)
            continue
        chunks = _value(scope, element, vr)
        yield part(_VALUE, f"{base}{element.tag:08X}", chunks, element.length)
