"""Pictures as files of media types that browsers show (PS3.18 8.7.4)."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

# Media type -> the name that Pillow has for it, the default first.
MEDIA_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
_QUALITY = 90
_FRAME_MILLISECONDS = 100


def encoded(
    pictures: Sequence[Image.Image], media_type: str, quality: int | None = None,
    milliseconds: float | None = None,
) -> bytes:  # fmt: skip
    """One picture, or of GIF several that follow one another."""
    out = BytesIO()
    first, *others = pictures
    if media_type == "image/jpeg":
        first.save(out, "JPEG", quality=quality or _QUALITY)
    elif media_type == "image/png":
        first.save(out, "PNG", compress_level=1)
    else:
        more = {"save_all": True, "append_images": others, "loop": 0} if others else {}
        duration = round(milliseconds or _FRAME_MILLISECONDS)
        first.save(out, "GIF", duration=duration, **more)
    return out.getvalue()
