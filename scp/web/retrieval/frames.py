"""WADO-RS: frames and pixel data (PS3.18 10.4.1.1.6), as they are stored or uncompressed."""

import re
from collections.abc import Iterator

from pydicom.uid import ExplicitVRLittleEndian
from werkzeug.wrappers import Response

from scp.copies.conversion.pixels import StoredFrames
from scp.copies.corrected import reachable
from scp.web.media import Choice, Part, choose_pixels
from scp.web.request import Asked, BadRequestError, NotFoundError, multipart, part
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
    return StoredFrames(held.file, held.start, held.transfer_syntax_uid)


def numbers_of(held: StoredFrames, numbers: str) -> list[int]:
    """The frames of a list with commas between, from 0 on. Raises as what is asked wrongly."""
    if not _LIST.fullmatch(numbers) or numbers.count(",") >= _MOST_FRAMES:
        raise BadRequestError(f"frames/{numbers[:60]}: takes numbers with commas between")
    wanted = [int(one) for one in numbers.split(",")]
    if 0 in wanted:
        raise BadRequestError("frames begin with number 1")
    if missing := [one for one in wanted if one > held.count]:
        raise NotFoundError(f"there is no frame {missing[0]}: the instance has {held.count}")
    return [one - 1 for one in wanted]


def retrieve(asked: Asked, study: str, series: str, instance: str, numbers: str) -> Response:
    """Some frames of an instance, by their numbers from 1 on."""
    location = located(asked, asked.resource(study, series, instance))[0]
    held = frames_of(asked, location)
    wanted = numbers_of(held, numbers)
    asked.told["frames"] = len(wanted)
    return answer(asked, location, held, wanted, numbers)


def retrieve_all(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """The pixel data of one instance, or of all of a study or series: a part each frame."""
    resource = asked.resource(study, series, instance)
    found = located(asked, resource)
    first = frames_of(asked, found[0])
    if len(found) == 1:
        return answer(asked, found[0], first, list(range(count_of(first))), "all")
    choice = _choice(asked, first, False)

    def parts() -> Iterator[Part]:
        for location in found:
            with asked.apart() as one:
                held = frames_of(one, location)
                yield from _parts(one, location, held, range(count_of(held)), choice)

    return multipart(parts(), choice.media_type)


def count_of(held: StoredFrames) -> int:
    """How many parts pixel data is answered in: video is one stream."""
    is_stream = held.is_encapsulated and held.syntax.codec is None
    return 1 if is_stream else held.count


def answer(
    asked: Asked, location: Location, held: StoredFrames, numbers: list[int], name: str
) -> Response:
    """Some frames of an instance, in a form that is asked for; `name` tells them from others."""
    choice = _choice(asked, held, len(numbers) == 1)
    if choice.is_multipart:
        parts = _parts(asked, location, held, numbers, choice)
        return multipart(parts, choice.media_type)
    kind, is_native = _kind(held, choice)
    made = Response(bytes_of(held, numbers[0], is_native), content_type=kind)
    made.set_etag(tag_of(asked, location, name, kind))
    return made.make_conditional(
        asked.request, accept_ranges=True, complete_length=made.content_length
    )


def bytes_of(held: StoredFrames, number: int, is_native: bool) -> bytes:
    """A frame. Raises TranscodeError."""
    if not is_native:
        return b"".join(held.as_stored(number).chunks())
    with held.native(number) as (_, _, chunks):
        return b"".join(chunks)


def _choice(asked: Asked, held: StoredFrames, is_one: bool) -> Choice:
    stored = held.transfer_syntax_uid if held.is_encapsulated else _NATIVE
    can_be_native = not held.is_encapsulated or bool(reachable(held.transfer_syntax_uid))
    return choose_pixels(*asked.accept, stored, can_be_native, is_one)


def _kind(held: StoredFrames, choice: Choice) -> tuple[str, bool]:
    """The media type of a frame, and whether it is native."""
    is_native = choice.transfer_syntax == _NATIVE or not held.is_encapsulated
    syntax = _NATIVE if is_native else held.transfer_syntax_uid
    return f"{choice.media_type}; transfer-syntax={syntax}", is_native


def _parts(
    asked: Asked, location: Location, held: StoredFrames, numbers: "range | list[int]",
    choice: Choice,
) -> Iterator[Part]:  # fmt: skip
    kind, is_native = _kind(held, choice)
    base = asked.resource(*location.uids).url
    for number in numbers:
        data = bytes_of(held, number, is_native)
        where = f"{base}/frames/{number + 1}"
        yield part(kind, where, data, len(data))
