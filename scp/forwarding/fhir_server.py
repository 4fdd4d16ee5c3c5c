"""Studies told to a FHIR server, each as an ImagingStudy that is created, or brought up to date."""

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from scp.config import Peer
from scp.copies.corrected import AsCorrected
from scp.copies.documents import Documents, FhirVersion, imaging_study, series_of
from scp.forwarding.notices import NotToldError
from scp.forwarding.shared import ForwardingContext

_KIND = "application/fhir+json"
# Of an answer: it says what was wrong, or repeats what was sent.
_MOST_BYTES = 64 << 20
_MOST_WORDS = 300
# What may be otherwise a moment later (RFC 9110 15.5, RFC 6585 4).
_LATER = frozenset({401, 403, 404, 408, 423, 425, 429})


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str
    body: bytes

    @property
    def held(self) -> Any:
        """What it says, where that is JSON; else None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class FhirTeller:
    """Tells the FHIR server of a peer."""

    def __init__(self, post: ForwardingContext, title: str) -> None:
        settings = post.settings
        self._post = post
        self._peer: Peer = settings.peers[title]
        copies = AsCorrected(post.archive.tree, settings.node.ae_title)
        self._documents = Documents(post.archive, copies, settings.storage.metadata_bytes)
        self._seconds = self._peer.dimse_timeout or settings.limits.dimse_timeout

    def tell(self, study: str) -> int:
        """See `Teller.tell`: a server that has the study is given it anew (FHIR 3.2.0.8.1)."""
        series = series_of(self._post.archive, self._documents, study)
        if not series:
            return 0
        version = FhirVersion(self._peer.fhir_version)
        resource = imaging_study(study, [document for _, document in series], version)
        named = quote(f"urn:dicom:uid|urn:oid:{study}", safe=":")
        answer = self._ask("POST", "", resource, {"If-None-Exist": f"identifier={named}"})
        # It has one by that identifier, and has changed nothing.
        if answer.status == 200 and (held := _id_of(answer)):
            self._ask("PUT", f"/{held}", {**resource, "id": held}, {})
        return int(resource["numberOfInstances"])

    def _ask(
        self, method: str, below: str, resource: dict[str, Any], more: dict[str, str]
    ) -> _Answer:
        """What the server answers, which is good. Raises NotToldError."""
        url = urlsplit(self._peer.fhir or "")
        path = f"{url.path.rstrip('/')}/ImagingStudy{below}"
        body = json.dumps(resource, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": f"{_KIND}; charset=utf-8", "Accept": _KIND, **more}
        try:
            connection = self._connection(url.scheme, url.netloc)
            try:
                connection.request(method, path, body, {**headers, **self._token()})
                answer = _read(connection.getresponse())
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotToldError(f"{url.scheme}://{url.netloc}: cannot be told: {words}") from error
        if answer.status not in (200, 201, 202, 204):
            words = f"{method} {url.scheme}://{url.netloc}{path}: answers {answer.status}"
            is_refused = 400 <= answer.status < 500 and answer.status not in _LATER
            raise NotToldError(f"{words}{_why(answer)}", is_refused)
        return answer

    def _connection(self, scheme: str, host: str) -> HTTPConnection:
        if scheme == "http":
            return HTTPConnection(host, timeout=self._seconds)
        context = ssl.create_default_context()
        tls = self._post.settings.tls
        if tls and tls.ca:
            context.load_verify_locations(tls.ca)
        return HTTPSConnection(host, timeout=self._seconds, context=context)

    def _token(self) -> dict[str, str]:
        """The header that says who we are. Raises OSError, ValueError."""
        if not (path := self._peer.fhir_token):
            return {}
        token = path.read_text("ascii").strip()
        if not token or not token.isprintable():
            raise ValueError(f"{path}: holds no token")
        return {"Authorization": f"Bearer {token}"}


def _read(answer: HTTPResponse) -> _Answer:
    body = answer.read(_MOST_BYTES)
    where = answer.getheader("Location") or answer.getheader("Content-Location") or ""
    return _Answer(answer.status, where, body)


def _id_of(answer: _Answer) -> str:
    """The id of the ImagingStudy that a server has already; empty where it does not say."""
    held = answer.held
    if isinstance(held, dict) and held.get("resourceType") == "ImagingStudy" and held.get("id"):
        return quote(str(held["id"]), safe="")
    parts = urlsplit(answer.location).path.split("/")
    after = parts[parts.index("ImagingStudy") + 1 :] if "ImagingStudy" in parts else []
    return quote(after[0], safe="") if after else ""


def _why(answer: _Answer) -> str:
    """What an OperationOutcome says of it."""
    held = answer.held
    issues = held.get("issue") if isinstance(held, dict) else None
    for one in issues if isinstance(issues, list) else []:
        if isinstance(one, dict):
            details = one.get("details")
            told = details.get("text") if isinstance(details, dict) else None
            if words := told or one.get("diagnostics"):
                return f": {' '.join(str(words).split())[:_MOST_WORDS]}"
    return ""
