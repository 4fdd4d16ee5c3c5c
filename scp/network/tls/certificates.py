"""The files of [tls] while the node serves: read again when they change, told when they expire."""

import logging
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scp.config import ConfigError, Settings
from scp.network.tls.faults import printable
from scp.network.tls.tls_contexts import Contexts, FileStates, contexts, file_states
from storage.diagnostics import Event, Sentence

if TYPE_CHECKING:
    from scp.network.tls.revocation_lists import Revocation

logger = logging.getLogger(__name__)

# How often the files are looked at, and how often it is told that one expires.
LOOK_SECONDS = 60.0
TELL_SECONDS = 86400.0
# How long before.
TELL_DAYS = 30

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# Tags of DER (X.690 8.1.2), and the object identifier of a common name.
_VERSION, _UTC_TIME, _COMMON_NAME = 0xA0, 0x17, bytes((0x55, 0x04, 0x03))


class CertificateWatcher:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(self) -> None:
        self.due = 0.0  # by the monotonic clock
        self._next_tell = 0.0
        self._refused: tuple[FileStates, str] | None = None
        self._lists: Revocation | None = None
        self._stages: tuple[str, ...] = ()

    def tend(self, settings: Settings, held: Contexts) -> Contexts | None:
        """The contexts to be used from now on, where files have changed since `held` were made."""
        now = time.monotonic()
        if settings.tls is None or now < self.due:
            return None
        stages = held.revocation.stages if held.revocation else ()
        is_stale = file_states(settings.tls) != held.files
        if held.revocation == self._lists:
            # When a list ends nobody resumes a session either: those are a context's own.
            is_stale |= stages.count("expired") > self._stages.count("expired")
        fresh = self._read_again(settings) if is_stale else None
        if fresh or now >= self._next_tell or stages != self._stages:
            self.tell(settings, fresh or held)
        lists = (fresh or held).revocation
        self.due = now + min(LOOK_SECONDS, lists.seconds_left() + 0.1 if lists else LOOK_SECONDS)
        return fresh

    def tell(self, settings: Settings, held: Contexts) -> None:
        """Warn of certificates and lists that expire, and again after a day."""
        self._next_tell = time.monotonic() + TELL_SECONDS
        for warning in expiring(settings, datetime.now(UTC)):
            logger.warning(Sentence(warning))
        lists, before, self._lists = held.revocation, self._lists, held.revocation
        self._stages = lists.stages if lists else ()
        if lists is None:
            return
        if lists != before:
            for one in lists.lists:
                logger.info(Event(
                    "revocation list", file=one.path, authority=one.authority,
                    revoked=one.revoked, until=f"{one.until:%Y-%m-%dT%H:%M:%SZ}",
                ))  # fmt: skip
        for warning in lists.warnings():
            logger.warning(Sentence(warning))

    def _read_again(self, settings: Settings) -> Contexts | None:
        """What the files hold now; None where that is no use, as with one replaced of two."""
        state = file_states(settings.tls) if settings.tls else ()
        try:
            return contexts(settings)
        except ConfigError as error:
            if self._refused != (state, str(error)):  # said once; but tried again each time
                logger.error("certificate not renewed, the old one stays: %s", error)
            self._refused = state, str(error)
            return None


@dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself (RFC 5280 4.1)."""

    name: str
    not_before: datetime
    not_after: datetime


def expiring(settings: Settings, now: datetime) -> list[str]:
    """A sentence for each certificate of [tls] that is not valid, or soon will not be."""
    tls = settings.tls
    if tls is None:
        return []
    files = {"certificate": tls.certificate, "ca": tls.ca}
    return [
        f"[tls] {key}: {path}: {words}"
        for key, path in files.items()
        if path
        for words in _of_file(path, now)
    ]


def _of_file(path: Path, now: datetime) -> Iterator[str]:
    try:
        found = read(path)
    except (OSError, ValueError) as error:
        yield f"until when it is valid cannot be told: {error}"
        return
    for certificate in found:
        name, end = certificate.name, certificate.not_after
        if now < certificate.not_before:
            yield f"{name} is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC"
        elif now > end:
            yield f"{name} has expired on {end:%Y-%m-%d %H:%M} UTC"
        elif now > end - timedelta(days=TELL_DAYS):
            left = (end - now).days
            yield f"{name} expires on {end:%Y-%m-%d %H:%M} UTC, days={left}"


def read(path: Path) -> list[Certificate]:
    """The certificates of a PEM file. Raises OSError, or ValueError where one is malformed.

    The standard library shows what is in a file only of an authority's certificates
    (SSLContext.get_ca_certs), and in a handshake only of those that are still valid.
    """
    blocks = _PEM.findall(path.read_text("ascii", "replace"))
    try:
        return [_certificate(ssl.PEM_cert_to_DER_cert(block)) for block in blocks]
    except (IndexError, ValueError) as error:
        raise ValueError(f"malformed certificate: {error}") from error


def _certificate(der: bytes) -> Certificate:
    ((_, whole),) = _elements(der)
    (_, signed), *_ = _elements(whole)
    parts = list(_elements(signed))
    if parts[0][0] == _VERSION:  # left out in version 1
        del parts[0]
    _serial, _algorithm, _issuer, validity, subject = (content for _, content in parts[:5])
    not_before, not_after = (_time(tag, text) for tag, text in _elements(validity))
    return Certificate(_name(subject), not_before, not_after)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element that stands in `der`."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:  # in so many octets that follow
            octets = length & 0x7F
            length, at = int.from_bytes(der[at : at + octets]), at + octets
        if at + length > len(der):
            raise ValueError("it ends too early")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, text: bytes) -> datetime:
    """RFC 5280 4.1.2.5: always in Zulu; UTCTime has two digits for the years 1950 to 2049."""
    digits = text.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits >= "5" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _name(subject: bytes) -> str:
    """The common name, or else that there is none."""
    for _, relative in _elements(subject):
        for _, pair in _elements(relative):
            (_, identifier), (_, text) = _elements(pair)
            if identifier == _COMMON_NAME:
                return f"CN={printable(text.decode('utf-8', 'replace'))}"
    return "a certificate without common name"
