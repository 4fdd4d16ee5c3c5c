"""Pictures of images, for who sees them in a browser (PS3.18 8.3.5)."""

from scp.web.rendering.encoding import MEDIA_TYPES, encoded
from scp.web.rendering.pictures import picture
from scp.web.rendering.viewing import Viewing, Viewport, viewing_of, window

__all__ = [
    "MEDIA_TYPES",
    "Viewing",
    "Viewport",
    "encoded",
    "picture",
    "viewing_of",
    "window",
]
