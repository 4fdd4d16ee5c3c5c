"""Where the viewer lies, and what of its files is written anew for that.

npm's build of OHIF takes it that it lies at the root of a site: pages, style sheets and scripts
name others by paths from there.
"""

import re

BASE = "/ohif/"

_BUILT_FOR = re.compile(rb'window\.PUBLIC_URL ?= ?"([^"]*)"')
_ROOT = "/"
# Suffix -> where a path from the root begins in such a file. Of a script it is what the parts that
# are loaded later lie below, in each script that loads some; and one script that is named whole.
_FROM_ROOT = {
    ".html": re.compile(rb"""(=["'])/(?!/)"""),
    ".css": re.compile(rb"""(url\(["']?)/(?!/)"""),
    ".js": re.compile(rb"""(\.p ?= ?")/(?=")|(["'])/(?=dicom-microscopy-viewer/)"""),
    ".json": re.compile(rb'("src": ?")/(?!/)'),
}


def built_for(page: bytes) -> str:
    """The path that a build takes itself to lie at, by its page."""
    found = _BUILT_FOR.search(page)
    return found[1].decode("latin-1") if found else _ROOT


def fits(path: str) -> bool:
    """Whether what is built for a path can be given at ours."""
    return path in (_ROOT, BASE)


def placed(content: bytes, suffix: str) -> bytes:
    """A file of a build for the root, as it has to be to lie at `BASE`."""
    pattern = _FROM_ROOT.get(suffix)
    return pattern.sub(_below, content) if pattern else content


def is_placed(path: str, suffix: str) -> bool:
    """Whether a file of a build for that path is written anew."""
    return path == _ROOT and suffix in _FROM_ROOT


def _below(found: re.Match[bytes]) -> bytes:
    return (found[1] or found[found.lastindex or 0]) + BASE.encode()
