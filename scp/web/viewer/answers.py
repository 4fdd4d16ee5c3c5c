"""Answers to who asks for the viewer: its page, its files, its configuration."""

import re
from base64 import b64encode
from hashlib import sha256

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from scp.config import Right
from scp.web.http import not_modified
from scp.web.request import Asked, NotFoundError, Route
from scp.web.viewer.bodies import Body, body_of
from scp.web.viewer.configuration import app_config
from scp.web.viewer.folder import CONFIGURATION, folder_of, tag_of
from scp.web.viewer.placement import BASE

# Not by `mimetypes`, which says what the machine was told: a browser takes no script and no
# WebAssembly of another type.
_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json", ".jsonc": "application/json", ".map": "application/json",
    ".webapp": "application/manifest+json", ".xml": "application/xml", ".wasm": "application/wasm",
    ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif",
    ".ico": "image/vnd.microsoft.icon", ".woff": "font/woff", ".woff2": "font/woff2",
    ".ttf": "font/ttf", ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
_OTHER = "application/octet-stream"
_ZIPPED = {".css", ".js", ".mjs", ".json", ".jsonc", ".map", ".wasm", ".svg", ".ttf", ".txt"}
_FOR_GOOD, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"

# What OHIF needs, and nothing else: it makes functions from text (its decoders, and what reads
# segmentations), sets styles on elements, and shows and runs what it holds in memory. Scripts
# within its page are known by their digests.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'{scripts}; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' blob: data:; media-src 'self' blob:; object-src 'self' blob:; "
    "frame-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def retrieve(asked: Asked, path: str = "") -> Response:
    """What lies at a path below the viewer's. Raises NotFoundError."""
    request, settings = asked.request, asked.context.settings
    assert settings.web
    assert settings.web.viewer
    if not path and not request.path.endswith("/"):
        return redirect(BASE, 308)
    if path == CONFIGURATION:
        content = app_config(settings)
        return _answer(request, Body(content, tag_of(content)), ".js")
    file = folder_of(settings.web.viewer).find(path)
    if file is None:
        raise NotFoundError("the viewer has no such file")
    suffix = file.path.suffix
    body = body_of(file, suffix in _ZIPPED and request.accept_encodings.quality("gzip") > 0)
    return _answer(request, body, suffix, _FOR_GOOD if file.is_for_good else _ASK_AGAIN)


# Who may not retrieve has nothing of it; and a browser asks for a password where a page is opened,
# not for what a page asks. It says nothing of a patient: nobody is told who had it.
ROUTES = tuple(
    Route("Viewer", path, retrieve, right=Right.RETRIEVE, service="")
    for path in (BASE, f"{BASE}<path:path>")
)


def _answer(request: Request, body: Body, suffix: str, kept: str = _ASK_AGAIN) -> Response:
    answer = not_modified(request, body.tag) or _whole(body, suffix)
    answer.set_etag(body.tag, weak=True)  # it may be compressed, or not
    answer.headers["Cache-Control"] = kept
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


def _whole(body: Body, suffix: str) -> Response:
    answer = Response(body.chunks(), content_type=_TYPES.get(suffix, _OTHER))
    answer.headers["Content-Length"] = str(len(body.content))
    if body.is_zipped:
        answer.headers["Content-Encoding"] = "gzip"
    scripts = _inline_scripts(body.content) if suffix == ".html" else ""
    answer.headers["Content-Security-Policy"] = _POLICY.format(scripts=scripts)
    # A study's UIDs are in the page's own address.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _inline_scripts(page: bytes) -> str:
    """The scripts within a page, as a policy names them."""
    digests = (b64encode(sha256(found).digest()) for found in _SCRIPT.findall(page))
    return "".join(f" 'sha256-{digest.decode()}'" for digest in digests)
