"""A series: its pictures in a light viewer, which shows one at a time where no script runs."""

import json
import math
import re
from collections.abc import Sequence
from urllib.parse import quote

from pydicom.tag import Tag
from werkzeug.wrappers import Response

from scp.web.page.study.held import (
    FoundInstance,
    header_of,
    instances_of,
    located_one,
    path_of,
    series_of,
    study_of,
    viewer_of,
)
from scp.web.page.surface import page
from scp.web.request import Asked, BadRequestError
from storage import ArchiveError
from storage.dicom.data_sets import STORED, ReadBudget, read

_MOST, _MOST_SIBLINGS = 20_000, 100
# Windows for CT, in Hounsfield units: name, center, width.
PRESETS = (
    ("preset_abdomen", 60, 400), ("preset_lung", -600, 1500), ("preset_bone", 400, 1800),
    ("preset_brain", 40, 80), ("preset_mediastinum", 50, 350),
)  # fmt: skip
_RATE, _MOST_RATE = 15.0, 60.0
_WINDOW = re.compile(r"-?\d{1,7}(\.\d{1,3})?,\d{1,7}(\.\d{1,3})?")
# What of a header the viewer begins with.
_TAGS = {
    name: Tag(name)
    for name in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "BitsStored",
                 "PixelRepresentation", "FrameTime", "CineRate", "RecommendedDisplayFrameRate")
}  # fmt: skip


def shown(asked: Asked, study: str, series: str) -> Response:
    """The view of a series, at one of its slices."""
    found = study_of(asked, study)
    held = instances_of(asked, study, series, _MOST)
    steps = sum(one.frames for one in held.pictures)
    number = min(max(_slice(asked.request.args.get("slice", "")), 1), max(steps, 1))
    window = asked.request.args.get("window", "")
    if window and not _WINDOW.fullmatch(window):
        raise BadRequestError(f"window={window[:40]}: takes center,width")
    current, frame = _at(held.pictures, number) if steps else (held.others[0], 0)
    picture = _picture(asked, study, series, current, frame, window)
    siblings = series_of(asked, study, most=_MOST_SIBLINGS)
    return page(
        asked, "series", study=found, series=series_of(asked, study, series)[0].values,
        siblings=siblings,
        instances=len(held.pictures) + len(held.others), is_picture=bool(steps), steps=steps,
        current={"number": number, "uid": current.uid, "picture": picture}, others=held.others,
        presets=PRESETS, window_part=f"&window={window}" if window else "",
        study_path=path_of(study), here_path=path_of(study, series),
        viewer=viewer_of(asked, study), is_cut=held.is_cut,
    )  # fmt: skip


def steps(asked: Asked, study: str, series: str) -> Response:
    """What the viewer's script goes through: instances with their frames, and where to begin."""
    held = instances_of(asked, study, series, _MOST)
    first = held.pictures[0] if held.pictures else held.others[0]
    told = {
        "base": _base(asked, study, series), **_beginning(asked, study, series, first.uid),
        "instances": [[one.uid, one.frames] for one in held.pictures],
    }  # fmt: skip
    answer = Response(json.dumps(told, separators=(",", ":")), content_type="application/json")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def _slice(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequestError(f"slice={text[:40]}: takes a number")
    return int(text or 1)


def _at(pictures: Sequence[FoundInstance], number: int) -> tuple[FoundInstance, int]:
    """The instance and frame of a step."""
    for one in pictures:
        if number <= one.frames:
            return one, number
        number -= one.frames
    return pictures[-1], pictures[-1].frames


def _base(asked: Asked, study: str, series: str) -> str:
    return f"{asked.context.web.path}/studies/{quote(study)}/series/{quote(series)}"


def _picture(
    asked: Asked, study: str, series: str, one: FoundInstance, frame: int, window: str
) -> str:
    part = f"/frames/{frame}" if one.frames > 1 else ""
    shown = f"&window={window},linear" if window else ""
    where = f"{_base(asked, study, series)}/instances/{quote(one.uid)}{part}/rendered"
    return f"{where}?accept=image/jpeg&quality=90{shown}"


def _beginning(asked: Asked, study: str, series: str, instance: str) -> dict[str, object]:
    """The window to begin with, how far values go, and how many pictures a second are shown."""
    location = located_one(asked, study, series, instance)
    try:
        few = header_of(asked, location, list(_TAGS.values()))
        told = read(few, None, "", budget=ReadBudget(STORED))
        texts = {name: told[tag].text for name, tag in _TAGS.items() if tag in told}
    except (ArchiveError, OSError):  # the picture says what is wrong
        texts = {}
    slope, intercept = _value(texts, "RescaleSlope") or 1.0, _value(texts, "RescaleIntercept") or 0
    bits = min(max(_value(texts, "BitsStored") or 8, 1), 32)
    span = abs(slope) * 2**bits
    low = intercept - (span / 2 if _value(texts, "PixelRepresentation") else 0)
    center, width = _value(texts, "WindowCenter"), _value(texts, "WindowWidth")
    if center is None or width is None or width < 1:
        center, width = low + span / 2, span
    return {"window": [center, width], "range": span, "rate": _rate(texts)}


def _rate(texts: dict[str, str]) -> float:
    time = _value(texts, "FrameTime") or 0
    rates = (1000 / time if time > 0 else 0, _value(texts, "CineRate"),
             _value(texts, "RecommendedDisplayFrameRate"))  # fmt: skip
    return min(next((one for one in rates if one and one > 0), _RATE), _MOST_RATE)


def _value(texts: dict[str, str], name: str) -> float | None:
    try:
        found = float(texts.get(name, "").partition("\\")[0])
    except ValueError:
        return None
    return found if math.isfinite(found) and abs(found) < 1e12 else None
