"""What views are made of: pages, their strings and files, and texts that are sealed."""

from scp.web.page.surface.acts_told import VISIT_COOKIE, act_seen, visit_mark, visit_of
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
from scp.web.page.surface.formats import clean, harmless, number, size
from scp.web.page.surface.sealing import sealed, unsealed
from scp.web.page.surface.strings import LANGUAGES

__all__ = [
    "LANGUAGES",
    "LANGUAGE_COOKIE",
    "PREFIX",
    "VISIT_COOKIE",
    "absent",
    "act_seen",
    "clean",
    "error_page",
    "files",
    "harmless",
    "led_back",
    "login_page",
    "number",
    "page",
    "sealed",
    "seen_other",
    "size",
    "unsealed",
    "visit_mark",
    "visit_of",
]
