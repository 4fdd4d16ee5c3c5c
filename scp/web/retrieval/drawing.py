"""Pictures of the frames of an instance, within what they may take of memory and time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image
from pydicom.dataset import Dataset

from scp.copies.conversion.data_set import LimitError, TranscodeError
from scp.copies.conversion.limits import BUDGET, Conversion, Turns
from scp.copies.conversion.pixels import StoredFrames
from scp.web.rendering import (
    NativeFrame,
    Presentation,
    Reference,
    Shown,
    Viewing,
    is_coloured,
    memory_of,
    picture,
    presentation,
    srgb,
)
from scp.web.request import Asked, BadRequestError, NotFoundError, Resource, TooLargeError
from scp.web.retrieval.instances import located
from scp.web.retrieval.showable import Showable, showable

# What is not worth to be counted; of what takes more there is one at a time in a process, else
# those that wait for memory would hold the frames that they have. So it is with pictures that move:
# their memory is not shared with conversions, which could wait for each other then.
_UNCOUNTED_BYTES = 16 << 20
_LARGE, _MOVING = Turns(), Turns()
# Who waits for a turn has a thread that others would be answered by: so many may, not all.
_WAITING = {_LARGE: threading.BoundedSemaphore(16), _MOVING: threading.BoundedSemaphore(4)}
_SECOND = 1000.0
# Media types whose files tell no ICC profile here.
_WITHOUT_PROFILE = ("image/gif", "image/jp2")


@dataclass(frozen=True)
class Drawing:
    """The frames of an instance, and how they are to be seen.

    `state`: the presentation state by which, with its reference to the image.
    """

    frames: StoredFrames
    shown: Shown
    viewing: Viewing
    state: tuple[Presentation, Reference] | None = None

    def picture(self, number: int) -> Image.Image:
        """The picture of a frame. Raises TranscodeError; BadRequestError, TooLargeError."""
        header, viewing = self.shown.of_frame(number), self.viewing
        if self.state:
            state, reference = self.state
            header = state.applied(header, reference)
        needed = memory_of(self.frames.module, header, viewing)
        with Conversion() as conversion, _turn(conversion, needed):
            frame = self._frame(number)
            with _memory(conversion, needed):
                try:
                    return picture(header, frame, viewing)
                except ValueError as error:
                    raise BadRequestError(str(error)) from error

    def _frame(self, number: int) -> NativeFrame:
        with self.frames.native(number) as (module, _, chunks):
            data = b"".join(chunks)
        return NativeFrame(module, data, self.frames.is_by_plane, self.frames.is_float)

    @property
    def profile(self) -> bytes:
        """The ICC profile that a picture is to tell: its own or, without one, that of sRGB."""
        if self.viewing.profile in ("", "no") or not self._is_coloured:
            return b""
        return self._own_profile or srgb()

    def warnings(self, media_type: str) -> tuple[str, ...]:
        """What was asked, and is not done in this form."""
        asked, found = self.viewing, [*self.viewing.warnings]
        if asked.window and self._is_coloured:
            found.append("window: is for grayscale, and the picture has colours")
        is_other = asked.profile not in ("", "no", "yes", "" if self._own_profile else "srgb")
        if is_other and self._is_coloured:
            kind = "its own" if self._own_profile else "sRGB"
            found.append(f"iccprofile={asked.profile}: no colours are converted, it is {kind}")
        if self.profile and media_type in _WITHOUT_PROFILE:
            found.append(f"iccprofile={asked.profile}: there is none in {media_type}")
        return tuple(found)

    @property
    def _is_coloured(self) -> bool:
        return is_coloured(self.frames.module)

    @property
    def _own_profile(self) -> bytes:
        found = self.shown.whole.get("ICCProfile") or b""
        return bytes(found) if isinstance(found, bytes) else b""

    @property
    def milliseconds(self) -> list[float]:
        """How long each frame is shown; of too few the last holds on (PS3.3 C.7.6.5)."""
        return _milliseconds(self.shown.whole)


def drawing(asked: Asked, held: Showable, viewing: Viewing) -> Drawing:
    """How an image is drawn, or that which a presentation state is for.

    Raises TranscodeError, NotFoundError.
    """
    if not held.is_presentation:
        return Drawing(held.frames, Shown(held.scope, held.location.charset), viewing)
    state = presentation(held.scope)
    for reference in state.references():
        study = held.location.uids[0]
        try:
            resource = Resource.of(asked.base, study, reference.series, reference.instance)
            image = showable(asked, located(asked, resource)[0])
        except (BadRequestError, NotFoundError):
            continue
        if image.is_presentation:
            continue
        return _by(state, reference, image, viewing)
    raise TranscodeError("none of the images that the presentation state is for is held")


def drawing_by(asked: Asked, held: Showable, viewing: Viewing, resource: Resource) -> Drawing:
    """How an image is drawn by a presentation state.

    Raises TranscodeError, NotFoundError; BadRequestError where that is for other images.
    """
    state = presentation(showable(asked, located(asked, resource)[0]).scope)
    for reference in state.references():
        if reference.instance == held.location.uids[2]:
            return _by(state, reference, held, viewing)
    raise BadRequestError(f"{resource.url} is no presentation state of this image")


def _by(state: Presentation, reference: Reference, image: Showable, viewing: Viewing) -> Drawing:
    module = image.frames.module
    viewing = state.viewing(viewing, reference, (module.columns, module.rows))
    shown = Shown(image.scope, image.location.charset)
    return Drawing(image.frames, shown, viewing, (state, reference))


@contextmanager
def moving() -> Iterator[None]:
    """The turn of a picture of several frames. Raises LimitError where too many wait for it."""
    with Conversion() as conversion, _turn_of(conversion, _MOVING):
        yield


@contextmanager
def _turn(conversion: Conversion, needed: int) -> Iterator[None]:
    if needed > BUDGET.memory.most:
        raise TooLargeError(
            f"a picture of it needs {needed} bytes of memory, and one may have "
            f"{BUDGET.memory.most} ([limits] conversion_memory = {BUDGET.said_memory})"
        )
    if needed <= _UNCOUNTED_BYTES:
        yield
        return
    with _turn_of(conversion, _LARGE):
        yield


@contextmanager
def _turn_of(conversion: Conversion, turns: Turns) -> Iterator[None]:
    waiting = _WAITING[turns]
    if not waiting.acquire(blocking=False):
        raise LimitError("too many large pictures are asked for at one time")
    try:
        with conversion.turn(turns):
            yield
    finally:
        waiting.release()


@contextmanager
def _memory(conversion: Conversion, needed: int) -> Iterator[None]:
    if needed <= _UNCOUNTED_BYTES:
        yield
        return
    conversion.take_memory(needed, small=False)
    try:
        yield
    finally:
        BUDGET.memory.give_back(needed)


def _milliseconds(header: Dataset) -> list[float]:
    if vector := _numbers(header, "FrameTimeVector"):
        # Each is the time since the frame before, that of the first means nothing.
        return [max(one, 0.0) for one in [*vector[1:], vector[-1]]]
    for name, numerator in (("FrameTime", None), ("CineRate", _SECOND),
                            ("RecommendedDisplayFrameRate", _SECOND)):  # fmt: skip
        value = next(iter(_numbers(header, name)), 0.0)
        if value > 0:
            return [value if numerator is None else numerator / value]
    return []


def _numbers(header: Dataset, name: str) -> list[float]:
    try:
        value = header.get(name)
        several = value if isinstance(value, list) or hasattr(value, "__iter__") else [value]
        return [float(one) for one in several if one not in (None, "")]
    except (TypeError, ValueError):
        return []
