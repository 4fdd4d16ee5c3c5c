"""What views are made of: pages, their strings and files, and texts that are sealed."""

from scp.web.page.surface.answers import (
    LANGUAGE_COOKIE,
    PREFIX,
    absent,
    error_page,
    files,
    led_back,
    login_page,
    page,
    seen_other,
)
from scp.web.page.surface.sealing import sealed, unsealed
from scp.web.page.surface.strings import LANGUAGES

__all__ = [
    "LANGUAGES",
    "LANGUAGE_COOKIE",
    "PREFIX",
    "absent",
    "error_page",
    "files",
    "led_back",
    "login_page",
    "page",
    "sealed",
    "seen_other",
    "unsealed",
]
