"""The files of [tls] while the node serves: read again when they change, told when they expire."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scp.config import ConfigError, Settings
from scp.network.tls.faults import printable
from scp.network.tls.tls_contexts import Contexts, FileStates, contexts, file_states
from storage.diagnostics import Event, Sentence

if TYPE_CHECKING:
    from cryptography import x509

    from scp.network.tls.revocation_lists import Revocation

logger = logging.getLogger(__name__)

# How often the files are looked at, and how often it is told that one expires.
LOOK_SECONDS = 60.0
TELL_SECONDS = 86400.0
# How long before.
TELL_DAYS = 30


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
    """The certificates of a PEM file. Raises OSError, or ValueError where it holds none, or one
    that is damaged.
    """
    # Not loaded by a node that has no [tls]: it takes 10 MB.
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (ValueError, x509.InvalidVersion) as error:
        raise ValueError("no PEM certificate in it, or a damaged one") from error
    return [
        Certificate(_name(one), one.not_valid_before_utc, one.not_valid_after_utc) for one in found
    ]


def lists_end(crl: Iterable[Path], ca: Path) -> datetime:
    """Until when the first revocation list to end is valid. Raises OSError, or ValueError."""
    from scp.network.tls.revocation_lists import revocation

    return min(one.until for one in revocation(crl, ca).lists)


def _name(certificate: "x509.Certificate") -> str:
    """The common name, or else why there is none."""
    from cryptography.x509.oid import NameOID

    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (TypeError, ValueError):  # as of a TeletexString in Latin-1, which OpenSSL takes
        return "a certificate whose name cannot be read"
    if not names:
        return "a certificate without common name"
    return f"CN={printable(str(names[0].value))}"
