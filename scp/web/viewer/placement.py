"""Where the viewer lies, and what of its files is written anew for that.

npm's build of OHIF takes it that it lies at the root of a site: pages, style sheets and scripts
name others by paths from there.
"""

import re

BASE = "/ohif/"

_BUILT_FOR = re.compile(rb'window\.PUBLIC_URL ?= ?"([^"]*)"')
_ROOT = "/"
# Suffix -> what ends with the slash of a path from the root, in such a file. Of a script it is what
# the parts that are loaded later lie below, in each script that loads some; and one script that is
# named whole. What each begins with is looked for at speed: there are 17 MB to look through.
_FROM_ROOT = {
    ".html": (rb"""=["']/(?!/)""",),
    ".css": (rb"""url\(["']?/(?!/)""",),
    ".js": (rb'\.p ?= ?"/(?=")', rb"""/(?<=["']/)(?=dicom-microscopy-viewer/)"""),
    ".json": (rb'"src": ?"/(?!/)',),
}
_BELOW = rb"\g<0>" + BASE.removeprefix(_ROOT).encode()


def built_for(page: bytes) -> str:
    """The path that a build takes itself to lie at, by its page."""
    found = _BUILT_FOR.search(page)
    return found[1].decode("latin-1") if found else _ROOT


def fits(path: str) -> bool:
    """Whether what is built for a path can be given at ours."""
    return path in (_ROOT, BASE)


def placed(content: bytes, suffix: str) -> bytes:
    """A file of a build for the root, as it has to be to lie at `BASE`."""
    for pattern in _FROM_ROOT.get(suffix, ()):
        content = re.sub(pattern, _BELOW, content)
    return content


def is_placed(path: str, suffix: str) -> bool:
    """Whether a file of a build for that path is written anew."""
    return path == _ROOT and suffix in _FROM_ROOT
