"""Pictures and thumbnails of studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy

from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from werkzeug.wrappers import Response

from scp.copies.conversion.data_set import TranscodeError
from scp.copies.conversion.pixels import StoredFrames
from scp.web.http import not_modified
from scp.web.media import Part, choose_rendered
from scp.web.rendering import MEDIA_TYPES, Viewing, Viewport, encoded, picture, viewing_of
from scp.web.request import (
    Asked,
    BadRequestError,
    Resource,
    UnavailableError,
    multipart,
    part,
    warned,
)
from scp.web.retrieval.frames import frames_of, numbers_of
from scp.web.retrieval.instances import located, tag_of
from storage import Location

_THUMBNAIL = Viewport(128, 128)
_FLOATS = (0x7FE00008, 0x7FE00009)
# Of a picture that moves.
_MOST_FRAMES = 500
_SECOND = 1000.0
# What is said of a frame, in the items of functional groups (PS3.3 C.7.6.16).
_OF_FRAME = ("FrameVOILUTSequence", "PixelValueTransformationSequence", "PixelMeasuresSequence")


def retrieve(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None,
    numbers: str | None = None,
) -> Response:  # fmt: skip
    """Pictures of all that is below a resource, a part each; or of one instance or frame."""
    resource, viewing = asked.resource(study, series, instance), _viewing(asked)
    found = located(asked, resource)
    if len(found) == 1:
        return _single(asked, found[0], viewing, numbers)
    choice = choose_rendered(*asked.accept, MEDIA_TYPES, is_several=True)

    def parts() -> Iterator[Part]:
        for location in found:
            try:
                data = _drawn(asked, location, viewing, None, choice.media_type)
            except TranscodeError:  # a report has no picture, and others do
                continue
            where = f"{resource.of_instance(location.uids).url}/rendered"
            yield part(choice.media_type, where, data, len(data))

    return warned(asked, multipart(parts(), choice.media_type), viewing.warnings)


def thumbnail(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None,
    numbers: str | None = None,
) -> Response:  # fmt: skip
    """A small picture that stands for a resource: of an image in the middle of it."""
    viewing = _of_thumbnail(asked)
    found = located(asked, asked.resource(study, series, instance))
    middle = len(found) // 2
    fault = "no picture stands for it"
    for number in _outwards(middle, len(found)):
        try:
            return _single(asked, found[number], viewing, numbers)
        except TranscodeError as error:
            fault = str(error)
    raise UnavailableError(fault)


def _outwards(middle: int, count: int) -> Iterator[int]:
    """The numbers next to one, some of them: a study may have thousands of reports."""
    for step in range(8):
        for number in {middle + step, middle - step}:
            if 0 <= number < count:
                yield number


def _viewing(asked: Asked) -> Viewing:
    return _viewing_of(asked.request.args)


def _viewing_of(given: Mapping[str, str]) -> Viewing:
    try:
        return viewing_of(given)
    except ValueError as error:
        raise BadRequestError(str(error)) from error


def _of_thumbnail(asked: Asked) -> Viewing:
    """A viewport's size alone: above all, it shows nothing of the patient (10.4.1.1.4)."""
    text = asked.request.args.get("viewport")
    if text is None:
        return Viewing(viewport=_THUMBNAIL)
    if text.count(",") != 1:
        raise BadRequestError(f"viewport={text[:60]}: of a thumbnail it takes vw,vh")
    return _viewing_of({"viewport": text})


def _single(asked: Asked, location: Location, viewing: Viewing, numbers: str | None) -> Response:
    choice = choose_rendered(*asked.accept, MEDIA_TYPES)
    tag = tag_of(asked, location, choice.media_type, repr(viewing), numbers or "")
    if unchanged := not_modified(asked.request, tag):
        return unchanged
    if choice.is_multipart:
        return _each_frame(asked, location, viewing, numbers, choice.media_type)
    data = _drawn(asked, location, viewing, numbers, choice.media_type)
    return _alone(asked, data, choice.media_type, tag, viewing)


def answer_by_uri(
    asked: Asked, location: Location, viewing: Viewing, number: str, media_type: str
) -> Response:
    """The picture that a WADO-URI asks for; of several frames the first, but of a GIF."""
    numbers = number or (None if media_type == "image/gif" else "1")
    tag = tag_of(asked, location, media_type, repr(viewing), number)
    if unchanged := not_modified(asked.request, tag):
        return unchanged
    data = _drawn(asked, location, viewing, numbers, media_type)
    return _alone(asked, data, media_type, tag, viewing)


def _alone(asked: Asked, data: bytes, media_type: str, tag: str, viewing: Viewing) -> Response:
    answer = Response(data, content_type=media_type)
    answer.set_etag(tag)
    return warned(asked, answer, viewing.warnings)


def _each_frame(
    asked: Asked, location: Location, viewing: Viewing, numbers: str | None, media_type: str
) -> Response:
    held = frames_of(asked, location)
    wanted = numbers_of(held, numbers) if numbers else list(range(held.count))
    header = _header(asked, location)
    base = Resource(asked.base, location.uids).url

    def parts() -> Iterator[Part]:
        for number in wanted:
            data = encoded([_picture(held, header, number, viewing)], media_type, viewing.quality)
            where = f"{base}/frames/{number + 1}/rendered"
            yield part(media_type, where, data, len(data))

    return warned(asked, multipart(parts(), media_type), viewing.warnings)


def _drawn(
    asked: Asked, location: Location, viewing: Viewing, numbers: str | None, media_type: str
) -> bytes:
    """The picture of an instance: of several frames they move, or it is the one in the middle."""
    held, header = frames_of(asked, location), _header(asked, location)
    wanted: Sequence[int] = numbers_of(held, numbers) if numbers else range(held.count)
    if media_type != "image/gif":
        wanted = [wanted[len(wanted) // 2 if not numbers else 0]]
    if len(wanted) > _MOST_FRAMES:
        raise UnavailableError(f"{len(wanted)} frames are more than one picture shows")
    pictures: list[Image.Image] = [_picture(held, header, one, viewing) for one in wanted]
    return encoded(pictures, media_type, viewing.quality, _milliseconds(header))


def _picture(held: StoredFrames, header: Dataset, number: int, viewing: Viewing) -> Image.Image:
    with held.native(number) as (module, _, chunks):
        data = b"".join(chunks)
    is_float = held.element.tag in _FLOATS
    return picture(_of_frame(header, number), module, data, held.is_by_plane, is_float, viewing)


def _header(asked: Asked, location: Location) -> Dataset:
    file = asked.closing.enter_context(asked.context.copies.open(location).file)
    file.seek(0)
    return dcmread(file, stop_before_pixels=True, force=True)


def _of_frame(header: Dataset, number: int) -> Dataset:
    """The header with what functional groups say of a frame at its top."""
    shared = header.get("SharedFunctionalGroupsSequence") or []
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    groups = [*shared[:1], *each[number : number + 1]]
    if not groups:
        return header
    made = copy(header)
    for group in groups:
        for name in _OF_FRAME:
            for item in group.get(name) or []:
                made.update(item)
    return made


def _milliseconds(header: Dataset) -> float | None:
    """How long a frame is shown (PS3.3 C.7.6.5)."""
    for name, numerator in (("FrameTime", None), ("CineRate", _SECOND),
                            ("RecommendedDisplayFrameRate", _SECOND)):  # fmt: skip
        try:
            value = float(header.get(name) or 0)
        except (TypeError, ValueError):
            continue
        if value > 0:
            return value if numerator is None else numerator / value
    return None
