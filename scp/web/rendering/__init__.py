"""Pictures of images, and reports as text, for who sees them in a browser (PS3.18 8.3.5, 8.7.4)."""

from scp.web.rendering.attributes import Shown
from scp.web.rendering.encoding import MEDIA_TYPES, as_frame, encoded, srgb
from scp.web.rendering.pictures import NativeFrame, is_coloured, memory_of, picture
from scp.web.rendering.reports import as_html, as_text
from scp.web.rendering.states import Presentation, Reference, presentation
from scp.web.rendering.viewing import (
    MOST_PIXELS,
    PARAMETERS,
    Viewing,
    Viewport,
    pixel_count,
    viewing_of,
    window,
)

__all__ = [
    "MEDIA_TYPES",
    "MOST_PIXELS",
    "PARAMETERS",
    "NativeFrame",
    "Presentation",
    "Reference",
    "Shown",
    "Viewing",
    "Viewport",
    "as_frame",
    "as_html",
    "as_text",
    "encoded",
    "is_coloured",
    "memory_of",
    "picture",
    "pixel_count",
    "presentation",
    "srgb",
    "viewing_of",
    "window",
]
