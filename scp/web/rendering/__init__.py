"""Pictures of images, for who sees them in a browser (PS3.18 8.3.5)."""

from scp.web.rendering.encoding import MEDIA_TYPES, encoded
from scp.web.rendering.pictures import picture
from scp.web.rendering.viewing import (
    MOST_PIXELS,
    Viewing,
    Viewport,
    pixel_count,
    viewing_of,
    window,
)

__all__ = [
    "MEDIA_TYPES",
    "MOST_PIXELS",
    "Viewing",
    "Viewport",
    "encoded",
    "picture",
    "pixel_count",
    "viewing_of",
    "window",
]
