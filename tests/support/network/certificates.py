"""Certificates made for tests: authorities, and what they sign, with any dates."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Shown:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path

    def replace(self, other: "Shown") -> None:
        """Have these files hold another's, the certificate first."""
        self.certificate.write_bytes(other.certificate.read_bytes())
        self.key.write_bytes(other.key.read_bytes())

    def encrypted(self) -> bytes:
        """The key, behind a password."""
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret"))


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    # Few, as each takes a while; and RSA, which the clients' older profiles are limited to.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def days(number: float) -> datetime:
    """So many days from now."""
    return datetime.now(UTC) + timedelta(days=number)


class Authority:
    """A certification authority of its own, with a folder for what it signs."""

    def __init__(self, folder: Path, name: str, number: int, until: float = 3650) -> None:
        self.folder = folder
        self.ca = folder / f"{name}.pem"
        self._name, self._number = _name([name]), number
        builder = _builder(self._name, self._name, _key(number), days(-3650), days(until))
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        self.ca.write_bytes(_pem(builder.sign(_key(number), hashes.SHA256())))
        (folder / f"{name}.key").write_bytes(_private(_key(number)))

    def sign(
        self,
        *names: str,
        file: str = "",
        since: float = -1,
        until: float = 365,
        number: int = 100,
        alternative: Iterable[str] = ("127.0.0.1",),
    ) -> Shown:
        """A certificate for `names` (CN, then O, OU); key `number`; dates in days from now."""
        signed = Shown(*(self.folder / f"{file or names[0]}.{kind}" for kind in ("pem", "key")))
        key = _key(number)
        builder = _builder(_name(names), self._name, key, days(since), days(until))
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        others = x509.SubjectAlternativeName([_alternative(name) for name in alternative])
        builder = builder.add_extension(others, critical=False)
        signed.certificate.write_bytes(_pem(builder.sign(_key(self._number), hashes.SHA256())))
        signed.key.write_bytes(_private(key))
        return signed

    def below(self, name: str, number: int) -> "Authority":
        """Another authority, whose certificate this one signed."""
        made = Authority(self.folder, name, number)
        builder = _builder(made._name, self._name, _key(number), days(-3650), days(3650))
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        made.ca.write_bytes(_pem(builder.sign(_key(self._number), hashes.SHA256())))
        return made

    def revoke(
        self,
        *revoked: Shown,
        file: str = "",
        since: float = -1,
        until: float = 30,
        der: bool = False,
        extensions: Iterable[x509.ExtensionType] = (),
        number: int | None = None,
    ) -> Path:
        """A list of what is revoked; dates in days from now, `number` of the key that signs."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(days(since)).next_update(days(until))
        for one in revoked:
            serial = x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(days(since)).build())
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        made = builder.sign(_key(self._number if number is None else number), hashes.SHA256())
        form = serialization.Encoding.DER if der else serialization.Encoding.PEM
        path = self.folder / (file or f"{self.ca.stem}.crl")
        path.write_bytes(made.public_bytes(form))
        return path

    def table(self, shown: Shown, **more: Any) -> dict[str, Any]:
        """[tls] of a node that shows a certificate, and trusts this authority."""
        files = {"certificate": shown.certificate, "key": shown.key, "ca": self.ca}
        return {key: str(path) for key, path in files.items()} | more

    def client(self, shown: Shown | None = None, **limits: Any) -> ssl.SSLContext:
        """What a caller uses that trusts this authority; `limits`: attributes of it."""
        context = trusting(self.ca)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        for name, value in limits.items():
            setattr(context, name, value)
        return context

    def server(self, shown: Shown) -> ssl.SSLContext:
        """What a destination uses that asks for a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown.certificate, shown.key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def trusting(ca: Path) -> ssl.SSLContext:
    """What a caller uses that trusts an authority, strict in nothing that others are not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


def _name(names: Iterable[str]) -> x509.Name:
    kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    pairs = [x509.NameAttribute(kind, name) for kind, name in zip(kinds, names, strict=False)]
    return x509.Name(reversed(pairs))


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: rsa.RSAPrivateKey) -> bytes:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, serialization.NoEncryption())
