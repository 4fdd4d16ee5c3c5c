"""Pictures and thumbnails of studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

from collections.abc import Iterator, Mapping, Sequence

from PIL import Image
from werkzeug.wrappers import Response

from scp.copies.conversion.data_set import LimitError, TranscodeError
from scp.copies.corrected import in_turn
from scp.web.http import not_modified
from scp.web.media import Part, choose_rendered
from scp.web.rendering import MEDIA_TYPES, Viewing, Viewport, as_frame, encoded, viewing_of
from scp.web.request import (
    Asked,
    BadRequestError,
    Resource,
    TooLargeError,
    UnavailableError,
    multipart,
    part,
    warned,
)
from scp.web.retrieval.drawing import Drawing, drawing, drawing_by, moving
from scp.web.retrieval.frames import listed, numbers_of
from scp.web.retrieval.instances import located, tag_of
from scp.web.retrieval.showable import SHOWN_TYPES, Showable, may_have_pixels, showable
from storage import Location
from storage.archive import Selected

_THUMBNAIL = Viewport(128, 128)
_MOVING = "image/gif"
# Of a picture that moves: frames, and pixels of all of them.
_MOST_FRAMES, _MOST_PIXELS = 500, 64 << 20
# Text is a stranger's: a page of it runs no script, and asks for nothing.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
# How many images are tried for a thumbnail.
_MOST_TRIED = 16


def retrieve(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None,
    numbers: str | None = None,
) -> Response:  # fmt: skip
    """Pictures of all that is below a resource, a part each; or of one instance or frame."""
    resource, viewing = asked.resource(study, series, instance), _viewing(asked)
    if numbers:
        listed(numbers)  # before anything is read
    found = located(asked, resource)
    if len(found) == 1:
        return _single(asked, found[0], viewing, numbers)
    choice = choose_rendered(*asked.accept, SHOWN_TYPES, is_several=True)

    def parts() -> Iterator[Part]:
        is_empty = True
        for location in in_turn(asked.context.copies, found):
            with asked.apart() as one:
                try:
                    length, chunks = _one_of_many(one, location, viewing, choice.media_type)
                except LimitError:
                    raise
                except TranscodeError:  # a report has no picture, and others do
                    continue
                where = f"{resource.of_instance(location.uids).url}/rendered"
                yield part(choice.media_type, where, chunks, length)
                is_empty = False
        if is_empty:
            raise UnavailableError(f"there is nothing that can be shown as {choice.media_type}")

    return warned(asked, multipart(parts(), choice.media_type), viewing.warnings)


def _one_of_many(
    asked: Asked, location: Location, viewing: Viewing, media_type: str
) -> tuple[int, Iterator[bytes]]:
    held = showable(asked, location)
    if media_type not in held.media_types:
        raise TranscodeError("it is not to be had in that form")
    if media_type not in MEDIA_TYPES:
        return held.body(media_type)
    drawn = drawing(asked, held, viewing)
    data = _drawn(drawn, _wanted(drawn, None), media_type)
    return len(data), iter([data])


def thumbnail(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None,
    numbers: str | None = None,
) -> Response:  # fmt: skip
    """A small picture that stands for a resource: of an image in the middle of it."""
    viewing = _of_thumbnail(asked)
    if numbers:
        listed(numbers)
    found = located(asked, asked.resource(study, series, instance))
    fault = "there is no Pixel Data: no picture stands for it"
    for number in _representatives(found):
        try:
            return _single(asked, found[number], viewing, numbers, is_thumbnail=True)
        except LimitError:
            raise
        except TranscodeError as error:
            fault = str(error)
    raise UnavailableError(fault)


def _representatives(found: Selected) -> Iterator[int]:
    """The numbers of the images in the middle, that which is nearest to it first."""
    images: Sequence[int] = range(len(found))
    if len(found) > 1 and not all(may_have_pixels(sop_class) for sop_class, _ in found.kinds):
        images = [n for n, one in enumerate(found) if may_have_pixels(one.sop_class_uid)]
    middle = len(images) // 2
    for step in range(_MOST_TRIED // 2):
        for number in dict.fromkeys((middle + step, middle - step)):
            if 0 <= number < len(images):
                yield images[number]


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


def _single(
    asked: Asked, location: Location, viewing: Viewing, numbers: str | None,
    is_thumbnail: bool = False,
) -> Response:  # fmt: skip
    held = showable(asked, location)
    kinds = [one for one in held.media_types if one in MEDIA_TYPES or not is_thumbnail]
    if not kinds:
        raise TranscodeError(f"no picture is made of {held.transfer_syntax_uid}")
    choice = choose_rendered(*asked.accept, kinds)
    kind = choice.media_type
    if kind not in MEDIA_TYPES:
        return _as_it_is(asked, held, kind, choice.is_multipart)
    tag = tag_of(asked, location, kind, repr(viewing), numbers or "", str(choice.is_multipart))
    if not held.is_presentation and (unchanged := not_modified(asked.request, tag)):
        return unchanged
    drawn = drawing(asked, held, viewing)
    wanted = _wanted(drawn, numbers)
    if is_thumbnail:
        wanted = [wanted[len(wanted) // 2]]
    # Frames that are named are all given, moving or a part each.
    is_each = bool(numbers) and len(wanted) > 1 and kind != _MOVING
    if choice.is_multipart or is_each:
        return _each_frame(asked, held, drawn, wanted, kind)
    return _alone(asked, _drawn(drawn, wanted, kind), kind, tag, drawn)


def answer_by_uri(
    asked: Asked, location: Location, viewing: Viewing, number: str, media_type: str,
    state: Resource | None = None,
) -> Response:  # fmt: skip
    """What a WADO-URI asks for, of what there is; of several frames the first, but of a GIF.

    `state`: the presentation state by which a picture is made.
    """
    held = showable(asked, location)
    if media_type not in MEDIA_TYPES:
        return _as_it_is(asked, held, media_type, is_multipart=False)
    numbers = number or (None if media_type == _MOVING else "1")
    tag = tag_of(asked, location, media_type, repr(viewing), number, state.url if state else "")
    if not state and (unchanged := not_modified(asked.request, tag)):
        return unchanged
    drawn = drawing_by(asked, held, viewing, state) if state else drawing(asked, held, viewing)
    return _alone(asked, _drawn(drawn, _wanted(drawn, numbers), media_type), media_type, tag, drawn)


def _alone(asked: Asked, data: bytes, media_type: str, tag: str, drawn: Drawing) -> Response:
    answer = Response(data, content_type=media_type)
    answer.set_etag(tag)
    return warned(asked, answer, drawn.warnings(media_type))


def _as_it_is(asked: Asked, held: Showable, media_type: str, is_multipart: bool) -> Response:
    """What is no picture: video, a document, a report."""
    length, chunks = held.body(media_type)
    is_ours = media_type in ("text/html", "text/plain")
    kind = f"{media_type}; charset=utf-8" if is_ours else media_type
    if is_multipart:
        where = f"{asked.resource(*held.location.uids).url}/rendered"
        return multipart(iter([part(kind, where, chunks, length)]), media_type)
    answer = Response(chunks, content_type=kind, direct_passthrough=True)
    answer.content_length = length
    if media_type.startswith("text/"):
        answer.headers["Content-Security-Policy"] = _POLICY
    answer.set_etag(tag_of(asked, held.location, "shown", media_type))
    return answer.make_conditional(asked.request, accept_ranges=True, complete_length=length)


def _each_frame(
    asked: Asked, held: Showable, drawn: Drawing, wanted: Sequence[int], media_type: str
) -> Response:
    base = asked.resource(*held.location.uids).url

    def parts() -> Iterator[Part]:
        for number in wanted:
            data = encoded([drawn.picture(number)], media_type, drawn.viewing.quality,
                           profile=drawn.profile)  # fmt: skip
            where = f"{base}/frames/{number + 1}/rendered"
            yield part(media_type, where, data, len(data))

    return warned(asked, multipart(parts(), media_type), drawn.warnings(media_type))


def _wanted(drawn: Drawing, numbers: str | None) -> Sequence[int]:
    if numbers:
        return numbers_of(drawn.frames, numbers)
    if drawn.state:
        return numbers_of(drawn.frames, str(drawn.state[1].frame))
    return range(drawn.frames.count)


def _drawn(drawn: Drawing, wanted: Sequence[int], media_type: str) -> bytes:
    """One picture of frames: of several they move, or it is the one in the middle."""
    if media_type != _MOVING:
        wanted = [wanted[len(wanted) // 2]]
    if len(wanted) > _MOST_FRAMES:
        words = f"{len(wanted)} frames are more than the {_MOST_FRAMES} that one picture shows"
        raise TooLargeError(f"{words}: ask for some of them")
    if len(wanted) == 1:
        return encoded([drawn.picture(wanted[0])], media_type, drawn.viewing.quality,
                       profile=drawn.profile)  # fmt: skip
    with moving():
        return encoded(_frames(drawn, wanted), media_type, milliseconds=drawn.milliseconds)


def _frames(drawn: Drawing, wanted: Sequence[int]) -> list[Image.Image]:
    found: list[Image.Image] = []
    for number in wanted:
        found.append(as_frame(drawn.picture(number)))
        if found[0].width * found[0].height * len(wanted) > _MOST_PIXELS:
            words = f"{len(wanted)} frames of {found[0].width} columns and {found[0].height} rows"
            raise TooLargeError(f"{words} are more than one picture shows: ask for a smaller one")
    return found
