"""The WSGI application: a request finds its handler, and what goes wrong is told by a status."""

import gzip
import logging
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    RequestedRangeNotSatisfiable,
)
from werkzeug.http import parse_range_header
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from scp.config import Right, Settings
from scp.network.tls import web_context
from scp.runtime import one_line
from scp.web.dicomweb import capabilities
from scp.web.monitoring import WebCounters
from scp.web.request import HARMLESS, Asked, OfNode, Route, WebContext, status_of
from scp.web.request.access import AccessError, Connection
from scp.web.service.tables import ErrorAnswer, errors_at, is_of_page, routes_of
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# Not text/html: beside a secret of the page its length would tell what that is (BREACH).
_ZIPPED = ("application/dicom+json", "application/json", "application/dicom+xml",
           "application/vnd.sun.wadl+xml", "text/css", "text/javascript")  # fmt: skip
_LEAST_ZIPPED_BYTES = 1024
_ZIP_LEVEL = 1
# Of a request that stores nothing.
_MOST_FORM_BYTES = 1 << 20
_OF_GZIP = 31  # the wbits of zlib that make its format
_RETRY_SECONDS = "10"
_EXPOSED = "Warning, Content-Location, ETag, Content-Range"
_REMEMBERED_SECONDS = "600"


class WebService:
    """Answers all that is asked over HTTP, one request a call; safe to use from many threads."""

    def __init__(self, settings: Settings, counters: WebCounters, of_node: OfNode) -> None:
        self._context = WebContext.of(settings, of_node)
        self._counters = counters
        web = self._context.web
        self._routes = Map(
            [Rule(one.rule(web), methods=one.methods, endpoint=one) for one in routes_of(web)],
            strict_slashes=False, merge_slashes=True,
        )  # fmt: skip

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What encrypts it, where [web] tls says so. Raises ConfigError."""
        return web_context(self._context.settings) if self._context.web.tls else None

    def spoken_for(self, headers: Mapping[str, str]) -> str:
        """The address of the client that a trusted proxy speaks for; empty where it is none."""
        found = Connection.of(headers, self._context.web)
        return found.address if found.is_proxied else ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        started = time.monotonic()
        _forget_other_ranges(environ)
        asked = Asked(self._context, Request(environ))
        answer = self._answer(asked)
        self._allow_origin(asked.request, answer)
        # Behind the last byte: what is asked of the archive is asked until then. Of an answer that
        # is passed through werkzeug would call nothing.
        answer.direct_passthrough = False
        answer.call_on_close(lambda: self._end(asked, answer, started))
        if answer.is_streamed:
            answer.response = _told(asked, answer.response)
        return answer(environ, start_response)

    def stop_acts(self) -> None:
        """Have what the page has begun end as soon as it can be left as it is."""
        self._context.undertakings.stop()

    def close(self, seconds: float = 0) -> None:
        """Have all that was stored be where it belongs, on the disk; nothing is stored then.

        What the page has begun may take so long, unless it was told to end.
        """
        self._context.undertakings.end(seconds)
        self._context.archive.close()

    def _answer(self, asked: Asked) -> Response:
        request = asked.request
        told = errors_at(self._context.web, request.path)
        try:
            asked.require_host()
            if request.method == "OPTIONS":
                return self._options(asked)
            found, given = self._match(request)
            asked.route = found
            self._admit(asked, found)
            return _zipped(request, found.handler(asked, **given))
        except HTTPException as error:
            answer = told(asked, error.code or 500, error.description or "")
            if isinstance(error, MethodNotAllowed):
                answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            if isinstance(error, RequestedRangeNotSatisfiable):
                answer.headers["Content-Range"] = f"bytes */{error.length}"
            return answer
        except Exception as error:
            return _failed(error, asked, told)

    def _admit(self, asked: Asked, found: Route) -> None:
        """Raise AccessError unless who asks may ask for that, and from where it does."""
        asked.require_own_page()
        if found.right is not Right.STORE:
            asked.request.max_content_length = _MOST_FORM_BYTES
        if found.right is None:
            return
        # By what a browser sends by itself nothing is changed but by the page's own forms.
        request = asked.request
        by_session = is_of_page(request.path) or request.method in HARMLESS
        asked.user = self._context.identity.of(request.environ, asked.connection, by_session)
        asked.user.require(found.right)

    def _match(self, request: Request) -> tuple[Route, dict[str, Any]]:
        endpoint, given = self._routes.bind_to_environ(request.environ).match()
        assert isinstance(endpoint, Route)
        return endpoint, dict(given)

    def _options(self, asked: Asked) -> Response:
        """What may be asked here: of CORS, else the capabilities (PS3.18 8.9)."""
        adapter = self._routes.bind_to_environ(asked.request.environ)
        allowed = sorted(adapter.allowed_methods())
        # A browser asks so before it says who asks (Fetch 4.8).
        is_preflight = "Access-Control-Request-Method" in asked.request.headers
        if not is_preflight:
            asked.user = self._context.identity.of(asked.request.environ, asked.connection)
        made = Response(status=204) if is_preflight else capabilities.answer(asked)
        made.headers["Allow"] = ", ".join([*allowed, "OPTIONS"])
        return made

    def _allow_origin(self, request: Request, answer: Response) -> None:
        """Let the pages of some origins read the answer (CORS)."""
        answer.headers["X-Content-Type-Options"] = "nosniff"
        origins = self._context.web.origins
        if not origins:
            return
        answer.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        # The page is for its own eyes: what it asks for once changes what is held.
        if origin in origins and not is_of_page(request.path):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
            answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
            if request.method == "OPTIONS":
                answer.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
                wanted = request.headers.get("Access-Control-Request-Headers", "")
                answer.headers["Access-Control-Allow-Headers"] = wanted or "Accept, Content-Type"
                answer.headers["Access-Control-Max-Age"] = _REMEMBERED_SECONDS

    def _end(self, asked: Asked, answer: Response, started: float) -> None:
        asked.closing.close()
        self._context.archive.close_thread()
        request = asked.request
        name = asked.route.name if asked.route else ""
        self._counters.add(name, request.method, answer.status_code, time.monotonic() - started)
        if not asked.service:
            return
        seconds = round(time.monotonic() - started, 3)
        who = {"user": asked.user.name} if asked.user.name else {}
        who |= {"address": asked.connection.address, "agent": str(request.user_agent)}
        told = {"method": request.method, "path": request.path, "status": answer.status_code}
        self._context.audit.write(asked.service, **who, **told, **asked.told, seconds=seconds)
        logger.info(Event(asked.service, **who, **told, seconds=seconds))


def _failed(error: Exception, asked: Asked, told: ErrorAnswer) -> Response:
    status = status_of(error)
    if status is None:
        logger.error(Event("http", one_line(error), path=asked.request.path[:200]))
        logger.debug("details", exc_info=True)
        return told(asked, 500, "internal error, see the node's log")
    answer = told(asked, status, str(error))
    if status == 503:
        answer.headers["Retry-After"] = _RETRY_SECONDS
    answer.headers.update(error.headers if isinstance(error, AccessError) else {})
    return answer


def _forget_other_ranges(environ: dict[str, Any]) -> None:
    """Have what is no range of bytes, or are several, count as absent (RFC 9110 14.2)."""
    found = parse_range_header(environ.get("HTTP_RANGE"))
    if found is None or found.units != "bytes" or len(found.ranges) != 1:
        environ.pop("HTTP_RANGE", None)


def _told(asked: Asked, chunks: Iterable[Any]) -> Iterator[Any]:
    """The same; what goes wrong amid it is told by an answer that has no end, and in the log."""
    try:
        yield from chunks
    except GeneratorExit:
        raise
    except Exception as error:
        asked.told["broken_off"] = one_line(error)
        logger.error(
            Event(f"{asked.service or 'http'} broken off", one_line(error), path=asked.request.path)
        )
        logger.debug("details", exc_info=True)
        raise


def _zipped(request: Request, answer: Response) -> Response:
    """Compressed, where it is text and who asks takes that."""
    is_text = answer.mimetype in _ZIPPED and answer.status_code == 200
    if not is_text or request.accept_encodings.quality("gzip") <= 0:
        return answer
    if answer.is_streamed and "Content-Length" in answer.headers:  # it is sent from a file
        return answer
    if answer.is_streamed:
        answer.response = _compressed(answer.iter_encoded())
    else:
        body = answer.get_data()
        if len(body) < _LEAST_ZIPPED_BYTES:
            return answer
        answer.set_data(gzip.compress(body, _ZIP_LEVEL))
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers.add("Vary", "Accept-Encoding")
    return answer


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_ZIP_LEVEL, wbits=_OF_GZIP)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
