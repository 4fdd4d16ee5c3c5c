"""WADO-URI (PS3.18 9): one instance by the parameters of a URL, as a file or a picture."""

import re
from collections.abc import Mapping
from dataclasses import replace

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from scp.copies.conversion.data_set import TranscodeError
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.web.media import DICOM, EXPLICIT_VR_LITTLE_ENDIAN, choose_by_uri
from scp.web.media.media_ranges import media_ranges
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

_UIDS = ("studyUID", "seriesUID", "objectUID")
# Of pictures alone, and of files alone (PS3.18 9.5.1.2, 9.4.1.2).
_OF_PICTURES = ("rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
                "annotation", "frameNumber")  # fmt: skip
_OF_FILES = ("anonymize", "transferSyntax")
_OF_STATES = ("presentationSeriesUID", "presentationUID")
# A presentation state says these itself (PS3.18 9.5.1.2.5 and on).
_NOT_WITH_STATES = ("windowCenter", "windowWidth", "region")
PARAMETERS = ("requestType", *_UIDS, "contentType", "charset", *_OF_PICTURES, *_OF_STATES,
              *_OF_FILES)  # fmt: skip
# What is no parameter of a media type here (9.1.2.2.1).
_NOT_OF_TYPES = ("transfer-syntax", "charset")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


def retrieve(asked: Asked) -> Response:
    """The instance that the parameters name, as they want it."""
    given = asked.request.args
    _check(given)
    resource = asked.resource(*(given[name].strip() for name in _UIDS))
    location = instances.located(asked, resource)[0]
    kind = _content_type(asked, location)
    if kind == DICOM:
        _refuse(given, (*_OF_PICTURES, *_OF_STATES), kind)
        return _file(asked, location, given)
    _refuse(given, _OF_FILES, kind)
    if kind not in MEDIA_TYPES:
        _refuse(given, (*_OF_PICTURES, *_OF_STATES), kind)
    state, number = _state(asked, given), _frame_number(asked, location, given)
    return rendered.answer_by_uri(asked, location, _viewing(given), number, kind, state)


def _check(given: MultiDict[str, str]) -> None:
    """Raise BadRequestError for what lacks, is there twice, or is not to be had."""
    if given.get("requestType") != "WADO":
        raise BadRequestError("requestType: takes WADO")
    if missing := [name for name in _UIDS if not given.get(name)]:
        raise BadRequestError(f"{missing[0]}: missing")
    if twice := [name for name in PARAMETERS if len(given.getlist(name)) > 1]:
        raise BadRequestError(f"{twice[0]}: given more than once")


def _state(asked: Asked, given: Mapping[str, str]) -> Resource | None:
    """The presentation state of the same study that is asked for (PS3.18 9.5.1.2.7)."""
    uids = [given[name].strip() for name in _OF_STATES if name in given]
    if not uids:
        return None
    if len(uids) < len(_OF_STATES):
        raise BadRequestError(f"{' and '.join(_OF_STATES)} go together")
    _refuse(given, _NOT_WITH_STATES, "a picture by a presentation state")
    return Resource.of(asked.base, given["studyUID"].strip(), *uids)


def _refuse(given: Mapping[str, str], names: tuple[str, ...], kind: str) -> None:
    if wrong := [name for name in names if name in given]:
        raise BadRequestError(f"{wrong[0]}: is not for {kind}")


def _content_type(asked: Asked, location: Location) -> str:
    """Of what `contentType` names, or without it the header, the best that there is.

    Of an image that is a JPEG by default (9.3), of anything else the file.
    """
    header, wanted = asked.accept[0], asked.request.args.get("contentType", "")
    for one in media_ranges(wanted):
        if wrong := [name for name in _NOT_OF_TYPES if name in one.parameters]:
            raise BadRequestError(f"contentType: {wrong[0]} is a parameter of the URL")
    shown, is_image = _shown_as(asked, location), _is_image(asked, location)
    return choose_by_uri("" if wanted else header, wanted, shown, is_image).media_type


def _shown_as(asked: Asked, location: Location) -> tuple[str, ...]:
    try:
        return showable(asked, location).media_types
    except TranscodeError:
        return ()


def _is_image(asked: Asked, location: Location) -> bool:
    try:
        frames.frames_of(asked, location)
    except TranscodeError:
        return False
    return True


def _frame_number(asked: Asked, location: Location, given: Mapping[str, str]) -> str:
    """The number of a frame that there is; anything else is a bad request (9.5.2.1)."""
    text = given.get("frameNumber")
    if text is None:
        return ""
    count = frames.frames_of(asked, location).count
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) <= count):
        raise BadRequestError(f"frameNumber={text[:20]}: takes an integer from 1 to {count}")
    return text


def _file(asked: Asked, location: Location, given: Mapping[str, str]) -> Response:
    anonymize = given.get("anonymize")
    if anonymize not in (None, "yes"):
        raise BadRequestError("anonymize: takes yes")
    context = asked.context
    profile = Profile() if anonymize else None
    copies = copies_for(context.archive, context.settings.node.ae_title, profile)
    named = given.get("transferSyntax")
    syntax = _transfer_syntax(named, location.transfer_syntax_uid)
    answer = instances.single(
        asked, location, syntax, copies, anonymize or "", can_be_other=named in (None, "*")
    )
    answer.headers["Content-Type"] = DICOM  # which has no transfer syntax here (9.1.3)
    return answer


def _transfer_syntax(wanted: str | None, stored: str) -> str:
    """The one that is named, or by default Explicit VR Little Endian (9.4.2.4)."""
    there = instances.forms_of(stored)
    if wanted is None:
        return EXPLICIT_VR_LITTLE_ENDIAN if EXPLICIT_VR_LITTLE_ENDIAN in there else there[0]
    if wanted == "*":
        return there[0]
    if not _UID.fullmatch(wanted) or len(wanted) > 64:
        raise BadRequestError(f"transferSyntax={wanted[:64]}: takes a UID")
    if wanted not in there:
        raise UnavailableError(f"transferSyntax={wanted}: there is {', '.join(there)}")
    return wanted


def _viewing(given: Mapping[str, str]) -> Viewing:
    try:
        names = {"imageQuality": "quality", "annotation": "annotation"}
        found = viewing_of({other: given[name] for name, other in names.items() if name in given})
        center, width = given.get("windowCenter"), given.get("windowWidth")
        if (center is None) != (width is None):
            raise ValueError("windowCenter and windowWidth go together")
        if center is not None and width is not None:
            found = replace(found, window=window(center, width))
        return replace(found, viewport=_viewport(given), region=_region(given.get("region")))
    except ValueError as error:
        raise BadRequestError(str(error)) from error


def _viewport(given: Mapping[str, str]) -> Viewport | None:
    """The size that is given; of one that is not there any will do."""
    sizes = {name: pixel_count(name, given[name]) for name in ("columns", "rows") if name in given}
    return Viewport(**{"columns": MOST_PIXELS, "rows": MOST_PIXELS} | sizes) if sizes else None


def _region(text: str | None) -> tuple[float, float, float, float] | None:
    """Left, upper, right and lower, as parts of the image's width and height (PS3.18 9.5.1.2.5)."""
    if text is None:
        return None
    try:
        left, upper, right, lower = (float(one) for one in text.split(","))
    except ValueError:
        raise ValueError(f"region={text[:60]}: takes four numbers from 0 to 1") from None
    if not (0 <= left < right <= 1 and 0 <= upper < lower <= 1):
        raise ValueError(f"region={text[:60]}: takes four numbers from 0 to 1, the lower first")
    return left, upper, right, lower
