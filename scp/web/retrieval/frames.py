"""WADO-RS: frames and pixel data (PS3.18 10.4.1.1.6), as they are stored or uncompressed."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pydicom.uid import ExplicitVRLittleEndian
from werkzeug.wrappers import Response

from scp.copies.conversion.codecs import UNCOMPRESSED
from scp.copies.conversion.pixels import NoPixelDataError, StoredFrames
from scp.copies.corrected import in_turn, reachable
from scp.web.media import Choice, NotAcceptableError, Part, choose_pixels
from scp.web.request import Asked, BadRequestError, NotFoundError, multipart, part, warned
from scp.web.retrieval.instances import data_set_of, located, tag_of
from storage import Location

_LIST = re.compile(r"\d{1,9}(,\d{1,9})*")
_MOST_FRAMES = 10_000
_NATIVE = str(ExplicitVRLittleEndian)


def frames_of(asked: Asked, location: Location) -> StoredFrames:
    """The frames of an instance; what they lie in is closed when the answer is sent.

    Raises ArchiveError, OSError, TranscodeError.
    """
    held = data_set_of(asked, location)
    return StoredFrames(held.scope(), held.transfer_syntax_uid)


def listed(numbers: str) -> list[int]:
    """The numbers of a list with commas between, as a path has it. Raises BadRequestError."""
    if not _LIST.fullmatch(numbers) or numbers.count(",") >= _MOST_FRAMES:
        raise BadRequestError(f"frames/{numbers[:60]}: takes numbers with commas between")
    wanted = [int(one) for one in numbers.split(",")]
    if 0 in wanted:
        raise BadRequestError("frames begin with number 1")
    return wanted


def numbers_of(held: StoredFrames, numbers: str) -> list[int]:
    """The frames of a list, from 0 on. Raises as what is asked wrongly."""
    wanted = listed(numbers)
    if missing := [one for one in wanted if one > held.count]:
        raise NotFoundError(f"there is no frame {missing[0]}: the instance has {held.count}")
    return [one - 1 for one in wanted]


def retrieve(asked: Asked, study: str, series: str, instance: str, numbers: str) -> Response:
    """Some frames of an instance, by their numbers from 1 on."""
    listed(numbers)  # before anything is read
    location = located(asked, asked.resource(study, series, instance))[0]
    held = image_of(asked, location)
    wanted = numbers_of(held, numbers)
    asked.told["frames"] = len(wanted)
    return answer(asked, location, held, wanted, numbers)


def retrieve_all(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """The pixel data of one instance, or of all of a study or series: a part each frame."""
    found = located(asked, asked.resource(study, series, instance))
    if len(found) == 1:
        held = image_of(asked, found[0])
        return answer(asked, found[0], held, range(held.count), "all")
    choices = _choices(asked, dict.fromkeys(syntax for _, syntax in found.kinds))
    first = next(iter(choices.values()))

    def parts() -> Iterator[Part]:
        is_empty = True
        shown = (one for one in found if one.transfer_syntax_uid in choices)
        for location in in_turn(asked.context.copies, shown):
            choice = choices[location.transfer_syntax_uid]
            with asked.apart() as one, suppress(NoPixelDataError):  # a report beside the images
                held = frames_of(one, location)
                yield from _parts(one, location, held, range(held.count), choice)
                is_empty = False
        if is_empty:
            raise NotFoundError("there is no Pixel Data")

    syntaxes = {syntax for _, syntax in found.kinds}
    # Partial content: in some of the media types alone (PS3.18 10.4.3).
    if left := sorted(syntaxes - choices.keys()):
        words = f"what is stored in {', '.join(left)} is left out: not to be had as asked"
        return warned(asked, multipart(parts(), first.media_type, 206), [words])
    return multipart(parts(), first.media_type)


def image_of(asked: Asked, location: Location) -> StoredFrames:
    """The same. Raises NotFoundError where it is no image."""
    try:
        return frames_of(asked, location)
    except NoPixelDataError as error:
        raise NotFoundError(str(error)) from error


def answer(
    asked: Asked, location: Location, held: StoredFrames, numbers: range | list[int], name: str
) -> Response:
    """Some frames of an instance, in a form that is asked for; `name` tells them from others."""
    choice = _choice(asked, held.transfer_syntax_uid, held.is_encapsulated, len(numbers) == 1)
    if choice.is_multipart:
        parts = _parts(asked, location, held, numbers, choice)
        return multipart(parts, choice.media_type)
    kind, is_native = _kind(held, choice)
    length, chunks = held.body(numbers[0], is_native)
    made = Response(chunks, content_type=kind, direct_passthrough=True)
    made.content_length = length
    made.set_etag(tag_of(asked, location, name, kind))
    return made.make_conditional(asked.request, accept_ranges=True, complete_length=length)


def _choices(asked: Asked, syntaxes: Iterable[str]) -> dict[str, Choice]:
    """By transfer syntax how its frames go; without those that cannot be had as it is asked.

    Raises NotAcceptableError where that is so of all.
    """
    found, fault = {}, NotAcceptableError("there is nothing")
    for syntax in syntaxes:
        try:
            found[syntax] = _choice(asked, syntax, syntax not in UNCOMPRESSED, False)
        except NotAcceptableError as error:
            fault = error
    if not found:
        raise fault
    return found


def _choice(asked: Asked, syntax: str, is_encapsulated: bool, is_one: bool) -> Choice:
    stored = syntax if is_encapsulated else _NATIVE
    can_be_native = not is_encapsulated or bool(reachable(syntax))
    return choose_pixels(*asked.accept, stored, can_be_native, is_one)


def _kind(held: StoredFrames, choice: Choice) -> tuple[str, bool]:
    """The media type of a frame, and whether it is native."""
    is_native = choice.transfer_syntax == _NATIVE or not held.is_encapsulated
    syntax = _NATIVE if is_native else held.transfer_syntax_uid
    return f"{choice.media_type}; transfer-syntax={syntax}", is_native


def _parts(
    asked: Asked, location: Location, held: StoredFrames, numbers: range | list[int],
    choice: Choice,
) -> Iterator[Part]:  # fmt: skip
    kind, is_native = _kind(held, choice)
    base = asked.resource(*location.uids).url
    for number in numbers:
        length, chunks = held.body(number, is_native)
        yield part(kind, f"{base}/frames/{number + 1}", chunks, length)
