"""Pictures as files of media types that browsers show (PS3.18 8.7.4)."""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

# Media type -> the name that Pillow has for it, the default first.
MEDIA_TYPES = {
    "image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/jp2": "JPEG2000",
}  # fmt: skip
_QUALITY, _MOST_QUALITY = 90, 100
# Of JPEG 2000 of no quality.
_DECIBELS = 20
_FRAME_MILLISECONDS = 100.0


def encoded(
    pictures: Sequence[Image.Image], media_type: str, quality: int | None = None,
    milliseconds: Sequence[float] = (), profile: bytes = b"",
) -> bytes:  # fmt: skip
    """One picture, or of GIF several that follow one another; `profile` is of their colours."""
    out = BytesIO()
    first, *others = pictures
    coloured: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if media_type == "image/jpeg":
        first.save(out, "JPEG", quality=quality or _QUALITY, **coloured)
    elif media_type == "image/png":
        first.save(out, "PNG", compress_level=1, **coloured)
    elif media_type == "image/jp2":
        first.save(out, "JPEG2000", **_jpeg_2000(quality))
    else:
        more: dict[str, Any] = {}
        if others:
            more = {"save_all": True, "append_images": others, "loop": 0,
                    "duration": _durations(len(pictures), milliseconds)}  # fmt: skip
        first.save(out, "GIF", **more)
    return out.getvalue()


def _jpeg_2000(quality: int | None) -> dict[str, Any]:
    """Without loss, or so many decibels of signal to noise as the quality stands for."""
    if quality is None or quality == _MOST_QUALITY:
        return {}
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [_DECIBELS + quality / 3]}


def as_frame(made: Image.Image) -> Image.Image:
    """A picture as the frame of a GIF that it becomes: a byte a pixel."""
    return made.quantize(256) if made.mode == "RGB" else made


def _durations(count: int, milliseconds: Sequence[float]) -> list[int]:
    """How long each picture is shown: of too few the last one holds on."""
    given = [*milliseconds[:count]] or [_FRAME_MILLISECONDS]
    return [round(one) for one in [*given, *[given[-1]] * (count - len(given))]]


@lru_cache(maxsize=1)
def srgb() -> bytes:
    """The ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
