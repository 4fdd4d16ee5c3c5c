"""What answers a request: the archive, the settings in force, and what the request says."""

import codecs
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from scp.config import Settings, Web
from scp.copies.corrected import AsCorrected
from scp.copies.documents import Documents
from scp.node.acts.board import ActBoard
from scp.runtime import AuditTrail, trail
from scp.web.request.access import NOBODY, Caller, Connection, ForbiddenError, Identity
from scp.web.request.resources import BadRequestError, Resource
from scp.web.request.routes import Route
from scp.web.request.undertakings import Undertakings
from storage import Archive, OnConflict
from storage.files import Bounds

# Methods that change nothing (RFC 9110 9.2.1).
HARMLESS = ("GET", "HEAD", "OPTIONS")
_USUAL_PORTS = {"http": 80, "https": 443}
# By which the one character set goes that text of answers is in (PS3.18 8.8).
_UTF_8 = frozenset({"utf-8", "utf8", "iso_ir 192", "*"})


@dataclass(frozen=True)
class OfNode:
    """What all processes of a node have of it, until it ends."""

    secret: bytes  # 32
    statement: Callable[[Settings], str]  # of conformance, as HTML
    acts: ActBoard = field(default_factory=ActBoard)  # that were begun on the page


@dataclass(frozen=True)
class WebContext:
    """What is in force, and what is open: one for all requests of a process."""

    settings: Settings
    archive: Archive
    copies: AsCorrected
    audit: AuditTrail
    identity: Identity
    node: OfNode
    undertakings: Undertakings = field(default_factory=Undertakings)

    @classmethod
    def of(cls, settings: Settings, node: OfNode) -> "WebContext":
        """As the settings have it."""
        storage = settings.storage
        archive = Archive(
            storage.path, storage.sync, OnConflict(storage.on_conflict), settings.limits.free_bytes,
            Bounds(storage.superseded_copies, storage.superseded_percent), logged=True,
        )  # fmt: skip
        copies = AsCorrected(archive.tree, settings.node.ae_title)
        audit = AuditTrail(*trail(settings))
        return cls(settings, archive, copies, audit, Identity(settings, node.secret), node)

    @cached_property
    def documents(self) -> Documents:
        """What instances say, kept."""
        return Documents(self.archive, self.copies, self.settings.storage.metadata_bytes)

    @property
    def web(self) -> Web:
        """The table that says how DICOMweb is answered."""
        assert self.settings.web
        return self.settings.web

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that this node goes by: of another it would be asked by a page of a stranger,
        whose name leads here (DNS rebinding)."""
        given = {"localhost", self.web.host.lower(), socket.gethostname().lower()}
        if self.web.url:
            given.add((urlsplit(self.web.url).hostname or "").lower())
        return frozenset(given)


@dataclass
class Asked:
    """A request, and what is found out about it for the audit trail."""

    context: WebContext
    request: Request
    told: dict[str, Any] = field(default_factory=dict)
    closing: ExitStack = field(default_factory=ExitStack)  # what is open until all is sent
    user: Caller = NOBODY
    route: Route | None = None  # that was found for it

    @property
    def service(self) -> str:
        """What log and audit trail call it; empty: neither tells of it."""
        return self.route.service if self.route else "dicomweb"

    @contextmanager
    def apart(self) -> Iterator["Asked"]:
        """The same, for one instance of many: what is opened for it is closed behind it.

        What the whole answer needs, as the selection that is gone through, stays open.
        """
        with ExitStack() as closing:
            yield replace(self, closing=closing)

    @cached_property
    def connection(self) -> Connection:
        """Where it comes from."""
        return Connection.of(self.request.environ, self.context.web)

    @cached_property
    def base(self) -> str:
        """Where this service lies, as who asks sees it."""
        return self.origin + self.context.web.path

    @property
    def accept(self) -> tuple[str, str]:
        """The header, and the query parameter that goes before it."""
        return self.request.headers.get("Accept", ""), self.request.args.get("accept", "")

    @cached_property
    def origin(self) -> str:
        """The scheme, the host and the port."""
        if self.context.web.url:
            return self.context.web.url
        host, scheme = self._host, self.connection.scheme
        port = int(self.request.environ.get("SERVER_PORT") or 0)
        # Some clients leave the port out (dicomweb-client 0.61).
        if not self.connection.is_proxied and ":" not in host.rpartition("]")[2] and port:
            host = host if port == _USUAL_PORTS.get(scheme) else f"{host}:{port}"
        return f"{scheme}://{host}"

    @property
    def _host(self) -> str:
        return self.connection.host or self.request.host

    def resource(self, *uids: str | None) -> Resource:
        """The resource of the UIDs in the path. Raises BadRequestError."""
        found = Resource.of(self.base, *uids)
        self.told |= dict(found.named)
        return found

    def require_charset(self, is_text: bool = True) -> None:
        """Raise BadRequestError for a `charset` that there is not, or not for text (8.3.3.2)."""
        if (text := self.request.args.get("charset")) is None:
            return
        names = {one.partition(";")[0].strip(' "').lower() for one in text.split(",")}
        if not names & _UTF_8 and (is_text or not any(map(_is_charset, names))):
            raise BadRequestError(f"charset={text[:60]}: takes UTF-8")

    def require_host(self) -> None:
        """Raise BadRequestError where it is meant for another host."""
        name = (urlsplit(f"//{self._host}").hostname or "").lower()
        # What a trusted proxy says was asked for, is one of its own.
        if name in self.context.names or self.connection.host:
            return
        try:
            ipaddress.ip_address(name)
        except ValueError:
            words = f"this node does not go by the name {name[:80]!r}: see [web] url"
            raise BadRequestError(words) from None

    def require_own_page(self) -> None:
        """Raise ForbiddenError where a page of a stranger has a browser change something here.

        The browser says whose page it is; who is no browser says nothing (RFC 6454 7.3).
        """
        request = self.request
        if request.method in HARMLESS:
            return
        origin = request.headers.get("Origin")
        is_foreign = request.headers.get("Sec-Fetch-Site", "") in ("cross-site", "same-site")
        if origin is None and not is_foreign:
            return
        if origin is None or origin not in (self.origin, *self.context.web.origins):
            words = f"a page of {(origin or 'another origin')[:80]} may change nothing here"
            raise ForbiddenError(f"{words}: see [web] origins and url")


def _is_charset(name: str) -> bool:
    try:
        codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return True


def warned(asked: Asked, answer: Response, words: Iterable[str]) -> Response:
    """The same answer, with what it does not do that was asked (PS3.18 8.3.4.4.1, 8.3.5.1.1)."""
    for one in dict.fromkeys(words):
        text = one[:400].encode("latin-1", "replace").decode("latin-1")
        answer.headers.add("Warning", f"299 {asked.base}: {' '.join(text.split())}")
    return answer
