"""WADO-URI (PS3.18 9): one instance by the parameters of a URL, as a file or a picture."""

from collections.abc import Mapping
from dataclasses import replace

from werkzeug.wrappers import Response

from scp.copies.conversion.data_set import TranscodeError
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.web.rendering import (
    MEDIA_TYPES,
    MOST_PIXELS,
    Viewing,
    Viewport,
    pixel_count,
    viewing_of,
    window,
)
from scp.web.request import Asked, BadRequestError, Resource, UnavailableError
from scp.web.retrieval import frames, instances, rendered
from scp.web.retrieval.showable import showable
from storage import Location

_DICOM, _JPEG = "application/dicom", next(iter(MEDIA_TYPES))
_FILES = (_DICOM, "application/*")
_UIDS = ("studyUID", "seriesUID", "objectUID")
# Of pictures alone, and of files alone (PS3.18 9.5.1, 9.5.2).
_OF_PICTURES = ("rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
                "annotation", "frameNumber")  # fmt: skip
_OF_FILES = ("anonymize", "transferSyntax")
_OF_STATES = ("presentationSeriesUID", "presentationUID")
# A presentation state says these itself (PS3.18 9.5.1.2.5 and on).
_NOT_WITH_STATES = ("windowCenter", "windowWidth", "region")


def retrieve(asked: Asked) -> Response:
    """The instance that the parameters name, as they want it."""
    given = asked.request.args
    if given.get("requestType") != "WADO":
        raise BadRequestError("requestType: takes WADO")
    if missing := [name for name in _UIDS if not given.get(name)]:
        raise BadRequestError(f"{missing[0]}: missing")
    resource = asked.resource(*(given[name].strip() for name in _UIDS))
    location = instances.located(asked, resource)[0]
    kind = _content_type(asked, location, given.get("contentType", ""))
    if kind == _DICOM:
        _refuse(given, (*_OF_PICTURES, *_OF_STATES), kind)
        return _file(asked, location, given)
    _refuse(given, _OF_FILES, kind)
    if kind not in MEDIA_TYPES:
        _refuse(given, (*_OF_PICTURES, *_OF_STATES), kind)
    state = _state(asked, given)
    return rendered.answer_by_uri(
        asked, location, _viewing(given), given.get("frameNumber", ""), kind, state
    )


def _state(asked: Asked, given: Mapping[str, str]) -> Resource | None:
    """The presentation state of the same study that is asked for (PS3.18 9.5.1.2.7)."""
    series, instance = (given.get(name, "").strip() for name in _OF_STATES)
    if bool(series) != bool(instance):
        raise BadRequestError(f"{' and '.join(_OF_STATES)} go together")
    if not instance:
        return None
    _refuse(given, _NOT_WITH_STATES, "a picture by a presentation state")
    return Resource.of(asked.base, given["studyUID"].strip(), series, instance)


def _refuse(given: Mapping[str, str], names: tuple[str, ...], kind: str) -> None:
    wrong = [name for name in names if given.get(name)]
    if wrong:
        raise BadRequestError(f"{wrong[0]}: is not for {kind}")


def _content_type(asked: Asked, location: Location, wanted: str) -> str:
    """The first of what is wanted that can be had; of an image of one frame JPEG by default."""
    kinds = [one.partition(";")[0].strip().lower() for one in wanted.split(",")]
    shown: tuple[str, ...] = ()
    if kinds[0] not in _FILES:
        shown = _shown_as(asked, location)
    for kind in kinds:
        if kind in shown or kind in _FILES:
            return kind if kind in shown else _DICOM
        if kind == "image/*" and _JPEG in shown:
            return _JPEG
        if kind in ("", "*/*"):
            is_image = _JPEG in shown and _has_one_frame(asked, location)
            return _JPEG if is_image else _DICOM
    raise UnavailableError(f"contentType={wanted[:80]}: there is {', '.join((_DICOM, *shown))}")


def _shown_as(asked: Asked, location: Location) -> tuple[str, ...]:
    try:
        return showable(asked, location).media_types
    except TranscodeError:
        return ()


def _has_one_frame(asked: Asked, location: Location) -> bool:
    try:
        return frames.frames_of(asked, location).count == 1
    except TranscodeError:
        return False


def _file(asked: Asked, location: Location, given: Mapping[str, str]) -> Response:
    syntax = given.get("transferSyntax", "").strip()
    wanted = syntax or location.transfer_syntax_uid
    choice = instances.syntax_by_name(wanted, location.transfer_syntax_uid)
    if not choice:
        # The server need not have it, and says in the file what it is (PS3.18 9.5.2.2).
        choice = location.transfer_syntax_uid
    anonymize = given.get("anonymize", "")
    if anonymize not in ("", "yes"):
        raise BadRequestError("anonymize: takes yes")
    context = asked.context
    profile = Profile() if anonymize else None
    copies = copies_for(context.archive, context.settings.node.ae_title, profile)
    return instances.single(asked, location, choice, copies, anonymize)


def _viewing(given: Mapping[str, str]) -> Viewing:
    try:
        wanted = {"quality": given.get("imageQuality", ""),
                  "annotation": given.get("annotation", "")}  # fmt: skip
        found = viewing_of({name: text for name, text in wanted.items() if text})
        center, width = given.get("windowCenter", ""), given.get("windowWidth", "")
        if bool(center) != bool(width):
            raise ValueError("windowCenter and windowWidth go together")
        if center:
            found = replace(found, window=window(center, width))
        return replace(found, viewport=_viewport(given), region=_region(given.get("region", "")))
    except ValueError as error:
        raise BadRequestError(str(error)) from error


def _viewport(given: Mapping[str, str]) -> Viewport | None:
    columns, rows = (
        pixel_count(name, text) if (text := given.get(name, "")) else None
        for name in ("columns", "rows")
    )
    if columns is None and rows is None:
        return None
    return Viewport(columns or MOST_PIXELS, rows or MOST_PIXELS)


def _region(text: str) -> tuple[float, float, float, float] | None:
    """Left, upper, right and lower, as parts of the image's width and height (PS3.18 9.5.1.2.4)."""
    if not text:
        return None
    try:
        left, upper, right, lower = (float(one) for one in text.split(","))
    except ValueError:
        raise ValueError(f"region={text[:60]}: takes four numbers from 0 to 1") from None
    if not (0 <= left < right <= 1 and 0 <= upper < lower <= 1):
        raise ValueError(f"region={text[:60]}: takes four numbers from 0 to 1, the lower first")
    return left, upper, right, lower
