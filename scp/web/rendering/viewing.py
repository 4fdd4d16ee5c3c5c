"""How a picture is to be made, as a URL says it (PS3.18 8.3.5)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

_INTEGER, _NUMBER = (
    re.compile(r"\d{1,5}"),
    re.compile(r"[+-]?\d{0,9}(\.\d{0,9})?([eE][+-]?\d{1,2})?"),
)
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
# Columns or rows.
MOST_PIXELS = 16384
_ANNOTATIONS = frozenset({"patient", "technique"})
_PROFILES = frozenset({"no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"})


class Function(StrEnum):
    """How a window maps values (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


@dataclass(frozen=True)
class Window:
    """Values of interest, behind the modality's transformation."""

    center: float
    width: float
    function: Function = Function.LINEAR


@dataclass(frozen=True)
class Viewport:
    """The most columns and rows of the picture, and what part of the image it shows.

    The part begins at `x`, `y`, from the image's upper left; a negative width or height turns it
    over. None: to the image's end.
    """

    columns: int
    rows: int
    x: float = 0.0
    y: float = 0.0
    width: float | None = None
    height: float | None = None


@dataclass(frozen=True)
class Viewing:
    """All that is asked of a picture."""

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int | None = None
    annotations: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    # Left, upper, right and lower of what is shown, as parts of the whole.
    region: tuple[float, float, float, float] | None = None
    # Degrees clockwise, and whether it is turned over then (PS3.3 C.10.6).
    rotation: int = 0
    is_flipped: bool = False
    # By which ICC profile the file is to tell its colours; empty where nothing is asked.
    profile: str = ""


def viewing_of(given: Mapping[str, str]) -> Viewing:
    """What the parameters of a URL ask for. Raises ValueError with words for who asked."""
    found = Viewing()
    for name, read in PARAMETERS.items():
        if (text := given.get(name)) is not None:
            found = read(found, text)
    return found


def _window(found: Viewing, text: str) -> Viewing:
    parts = text.split(",")
    functions = {one.value: one for one in Function}
    name = parts[2].strip().lower() if len(parts) == 3 else ""
    if name not in functions:  # all three are to be there (PS3.18 8.3.5.1.4)
        words = (
            f"window={text[:60]}: takes center,width,function with one of {', '.join(functions)}"
        )
        raise ValueError(words)
    center, width = _number("window", parts[0]), _number("window", parts[1])
    return replace(found, window=_checked(Window(center, width, functions[name])))


def _checked(window: Window) -> Window:
    least = 1.0 if window.function is Function.LINEAR else 0.0
    if window.width < least or (window.width == 0 and window.function is not Function.LINEAR):
        raise ValueError(
            f"window: a width of {window.width:g} is none that {window.function} takes"
        )
    return window


def window(center: str, width: str) -> Window:
    """The window of two texts. Raises ValueError."""
    return _checked(Window(_number("windowCenter", center), _number("windowWidth", width)))


def _viewport(found: Viewing, text: str) -> Viewing:
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 6:
        raise ValueError(f"viewport={text[:60]}: takes vw,vh or vw,vh,sx,sy,sw,sh")
    columns, rows = (pixel_count("viewport", part) for part in parts[:2])
    x, y, width, height = (
        _number("viewport", part) if part else None for part in (*parts[2:], "", "", "", "")[:4]
    )
    if (x or 0) < 0 or (y or 0) < 0 or width == 0 or height == 0:
        raise ValueError(f"viewport={text[:60]}: the part lies outside of the image")
    return replace(found, viewport=Viewport(columns, rows, x or 0.0, y or 0.0, width, height))


def _quality(found: Viewing, text: str) -> Viewing:
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= 100:
        raise ValueError(f"quality={text[:20]}: takes an integer from 1 to 100")
    return replace(found, quality=int(text))


def _annotation(found: Viewing, text: str) -> Viewing:
    wanted = frozenset(part.strip() for part in text.split(","))
    if not all(map(_KEYWORD.fullmatch, wanted)):
        raise ValueError(f"annotation={text[:60]}: takes {', '.join(sorted(_ANNOTATIONS))}")
    found = replace(found, annotations=wanted & _ANNOTATIONS)
    if not (unknown := wanted - _ANNOTATIONS):
        return found
    words = f"The following annotation values are not supported: {', '.join(sorted(unknown))}"
    return replace(found, warnings=(*found.warnings, words))


def _profile(found: Viewing, text: str) -> Viewing:
    if text.lower() not in _PROFILES:
        raise ValueError(f"iccprofile={text[:20]}: takes one of {', '.join(sorted(_PROFILES))}")
    return replace(found, profile=text.lower())


# What may be asked of a picture, and what reads it.
PARAMETERS = {
    "window": _window,
    "viewport": _viewport,
    "quality": _quality,
    "annotation": _annotation,
    "iccprofile": _profile,
}


def _number(name: str, text: str) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or not any(map(str.isdigit, text)):
        raise ValueError(f"{name}: {text[:20]!r} is no number")
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{name}: {text[:20]!r} is no number")
    return found


def pixel_count(name: str, text: str) -> int:
    """Columns or rows of a picture, as the parameter `name` says. Raises ValueError."""
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= MOST_PIXELS:
        raise ValueError(f"{name}={text[:20]}: takes an integer from 1 to {MOST_PIXELS}")
    return int(text)
