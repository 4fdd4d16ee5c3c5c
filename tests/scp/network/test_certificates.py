"""What is read of the certificates of [tls]: names in whatever form, dates, and what is none."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scp.network.tls.certificates import read

KEY = ec.generate_private_key(ec.SECP256R1())
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)
LABEL = b" CERTIFICATE-----"


def der(*attributes: x509.NameAttribute) -> bytes:
    """A certificate of that name."""
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder(authority, x509.Name(attributes), KEY.public_key(), 5)
    made = builder.not_valid_before(SINCE).not_valid_after(UNTIL).sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def pem(content: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(content).encode()


NODE = der(x509.NameAttribute(NameOID.COMMON_NAME, "node"))
OTHER = der(x509.NameAttribute(NameOID.COMMON_NAME, "other"))
UTF8, VERSION = b"\x0c\x04node", b"\xa0\x03\x02\x01"  # X.690 8.1.2, RFC 5280 4.1.2.1
PLAIN_KEY = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
)
NO_NAME = "a certificate without common name"

HELD = {
    "several": (pem(NODE) + pem(OTHER), ["CN=node", "CN=other"]),
    "lines of Windows": (pem(NODE).replace(b"\n", b"\r\n"), ["CN=node"]),
    "behind a key": (PLAIN_KEY + pem(NODE), ["CN=node"]),
    "behind what OpenSSL says of it": (b"subject=CN = n\xf6de\n\n" + pem(NODE), ["CN=node"]),
    "a name of any script": (
        pem(der(x509.NameAttribute(NameOID.COMMON_NAME, "山田"))), ["CN=山田"],
    ),
    "a name that moves the cursor": (
        pem(der(x509.NameAttribute(NameOID.COMMON_NAME, "a\n\x1b[2J"))), ["CN=a??[2J"],
    ),
    "no common name": (pem(der(x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o"))), [NO_NAME]),
    "no name": (pem(der()), [NO_NAME]),
    "a BMPString": (pem(NODE.replace(UTF8, b"\x1e\x04\0n\0o")), ["CN=no"]),
    "a TeletexString in Latin-1": (
        pem(NODE.replace(UTF8, b"\x14\x04n\xf6de")), ["a certificate whose name cannot be read"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HELD)
def test_names_and_dates_are_told(tmp_path: Path, case: str) -> None:
    content, names = HELD[case]
    path = tmp_path / "node.pem"
    path.write_bytes(content)
    found = read(path)
    assert [one.name for one in found] == names
    assert {(one.not_before, one.not_after) for one in found} == {(SINCE, UNTIL)}
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)  # so the node may have it


NONE = {
    "nothing": b"",
    "text": b"no certificate",
    "DER": NODE,
    "cut short": pem(NODE)[:200],
    "no base64": b"-----BEGIN" + LABEL + b"\nMI!!\n-----END" + LABEL,
    "no certificate": pem(b"\x30\x03\x02\x01\x05"),
    "cut short in DER": pem(NODE[:-1]),
    "one of two": pem(NODE) + pem(OTHER[:-1]),
    "of a version that is none": pem(NODE.replace(VERSION + b"\2", VERSION + b"\7")),
    "of no date": pem(NODE.replace(b"20510101000000Z", b"20511301000000Z")),
    "OpenSSL's own": pem(NODE).replace(LABEL, b" TRUSTED" + LABEL),
}


@pytest.mark.parametrize("case", NONE)
def test_what_cannot_be_read_is_told(tmp_path: Path, case: str) -> None:
    path = tmp_path / "node.pem"
    path.write_bytes(NONE[case])
    with pytest.raises(ValueError, match="no PEM certificate in it, or a damaged one"):
        read(path)
