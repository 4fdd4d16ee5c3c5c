"""Certificate revocation lists of [tls] crl: read, held to their authorities, told of (RFC 5280 5).

OpenSSL holds a certificate, and each authority above it, to the list of its issuer; where there is
none that is valid, the certificate is refused. It takes lists as PEM alone, from a file.
"""

import os
import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from storage.diagnostics import escaped

# How long before a list ends it is told: of one that comes weekly the last two days.
_TELL_PART, _TELL_MOST = 0.25, timedelta(days=7)
# Where each list of a file lies: the library reads one alone.
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_DER = b"\x30"  # a SEQUENCE (RFC 5280 5.1)


@dataclass(frozen=True)
class RevocationList:
    """One list: of whom, from when until when it says who is revoked, and how many are."""

    path: Path
    authority: str
    since: datetime
    until: datetime
    revoked: int
    pem: bytes

    @property
    def stage(self) -> str:
        """What it is now: early, valid, ending or expired."""
        now = datetime.now(UTC)
        if now < self.since:
            return "early"
        if now >= self.until:
            return "expired"
        ending = self.until - min((self.until - self.since) * _TELL_PART, _TELL_MOST)
        return "ending" if now >= ending else "valid"

    def warning(self) -> str:
        """What there is to be told of it, in a sentence; empty where there is nothing."""
        where, whoever = f"[tls] crl: {self.path}", f"whoever {self.authority} signed is refused"
        end = f"{self.until:%Y-%m-%d %H:%M} UTC"
        return {
            "early": f"{where}: is not valid before {self.since:%Y-%m-%d %H:%M} UTC: till then "
            f"{whoever}",
            "expired": f"{where}: has expired on {end}: {whoever}",
            "ending": f"{where}: expires on {end}: after that {whoever}",
        }.get(self.stage, "")


@dataclass(frozen=True)
class Revocation:
    """The lists of [tls] crl, and the authorities of [tls] ca that have none."""

    lists: tuple[RevocationList, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        """What each list is now."""
        return tuple(one.stage for one in self.lists)

    def seconds_left(self) -> float:
        """Until the next one ends."""
        now = datetime.now(UTC)
        ends = [(one.until - now).total_seconds() for one in self.lists if one.until > now]
        return min(ends, default=float("inf"))

    def warnings(self) -> Iterator[str]:
        """A sentence for each list that is not valid, or soon will not be, and for each missing."""
        yield from filter(None, (one.warning() for one in self.lists))
        for authority in self.without:
            yield (
                f"[tls] crl: has no list of {authority}, an authority of [tls] ca: whoever it "
                "signed is refused"
            )

    def check_with(self, context: ssl.SSLContext) -> None:
        """Have `context` refuse who is revoked."""
        if not self.lists:
            return
        with os.fdopen(os.memfd_create("crl"), "wb") as file:
            file.write(b"".join(one.pem for one in self.lists))
            file.flush()
            context.load_verify_locations(f"/proc/self/fd/{file.fileno()}")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


class ListError(ValueError):
    """A file of [tls] crl that will not do; says which and why."""


def revocation(paths: Iterable[Path], ca: Path) -> Revocation:
    """What the files of [tls] crl say of the authorities of [tls] ca. Raises ListError."""
    authorities = x509.load_pem_x509_certificates(ca.read_bytes())
    lists, signers = [], set()
    for path in paths:
        for found in _read(path):
            signer = _signer(path, found, authorities)
            signers.add(signer.subject)
            lists.append(_list(path, found))
    names = [_name(one.subject) for one in authorities if one.subject not in signers]
    return Revocation(tuple(lists), tuple(dict.fromkeys(names)))


def _read(path: Path) -> list[x509.CertificateRevocationList]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ListError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if content.startswith(_DER):
            return [x509.load_der_x509_crl(content)]
        found = [x509.load_pem_x509_crl(block) for block in _PEM.findall(content)]
    except ValueError as error:
        raise ListError(f"{path} holds no revocation list, or a damaged one") from error
    if not found:
        raise ListError(f"{path}: no revocation list in it, neither PEM nor DER")
    return found


def _signer(
    path: Path, found: x509.CertificateRevocationList, authorities: list[x509.Certificate]
) -> x509.Certificate:
    name = _name(found.issuer)
    named = [one for one in authorities if one.subject == found.issuer]
    if not named:
        raise ListError(f"{path} is of {name}, which is no authority of [tls] ca")
    for one in named:
        if _is_signed_by(found, one):
            return one
    raise ListError(f"{path} is not signed by the {name} of [tls] ca, or is damaged")


def _is_signed_by(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return found.is_signature_valid(cast(Any, authority.public_key()))
    except (TypeError, ValueError, UnsupportedAlgorithm):  # a key or digest of another kind
        return False


def _list(path: Path, found: x509.CertificateRevocationList) -> RevocationList:
    if found.next_update_utc is None:
        raise ListError(f"{path} does not say until when it is valid (RFC 5280 5.1.2.5)")
    try:
        is_delta = any(isinstance(one.value, x509.DeltaCRLIndicator) for one in found.extensions)
    except ValueError as error:
        raise ListError(f"{path} is damaged: {escaped(str(error))}") from error
    if is_delta:
        raise ListError(f"{path} holds only what changed (a delta list); takes whole lists")
    pem = found.public_bytes(Encoding.PEM)
    issuer, since, until = _name(found.issuer), found.last_update_utc, found.next_update_utc
    return RevocationList(path, issuer, since, until, len(found), pem)


def _name(name: x509.Name) -> str:
    return escaped(name.rfc4514_string()) or "an authority without a name"
