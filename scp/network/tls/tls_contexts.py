"""TLS as [tls] says: the contexts for callers and for peers that are called (PS3.15 B.12, B.13)."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from scp.config import ConfigError, Peer, Settings, Tls, TlsProfile
from scp.network.tls.faults import TlsError, words_of

if TYPE_CHECKING:
    from scp.network.tls.revocation_lists import Revocation

# Cipher suites of TLS 1.2, by OpenSSL's names, the preferred first; those of TLS 1.3 are the
# library's. All are AEAD with forward secrecy (RFC 9325 4.2).
_BCP195 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
)  # fmt: skip
# PS3.15 B.13 lists more. Left out are those that OpenSSL has not (Camellia with GCM), counts as
# 64 bits of security (CCM_8), or for which DHE's key length cannot be set (B.13 forbids these).
_MODIFIED = (
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM",
)  # fmt: skip
SUITES: dict[TlsProfile, tuple[str, ...]] = {"bcp195": _BCP195, "bcp195-modified": _MODIFIED}

# Of each file of [tls]: what changes when it is written or replaced; None where it is not there.
FileStates = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Contexts:
    """What TLS is made with, and how the files were that it was read from."""

    server: ssl.SSLContext | None = None  # None: without [tls]
    client: ssl.SSLContext | None = None  # None: there is no peer to call over TLS
    named: ssl.SSLContext | None = None  # the same, for peers with a name to be checked
    files: FileStates = ()
    revocation: "Revocation | None" = None  # None: without [tls] crl

    def of_peer(self, peer: Peer) -> tuple[ssl.SSLContext, str] | None:
        """The context and name to call a peer with; None: without TLS. Raises TlsError."""
        if not peer.tls:
            return None
        context = self.named if peer.tls_name else self.client
        if context is None:  # never in the clear instead
            raise TlsError("is to be called over TLS, which has not been set up yet")
        return context, peer.tls_name or peer.host or ""


def contexts(settings: Settings) -> Contexts:
    """The contexts for these settings. Raises ConfigError that names the key."""
    tls, calls = settings.tls, any(peer.tls for peer in settings.peers.values())
    # Before they are read: what is replaced meanwhile is noticed by that.
    files = file_states(tls) if tls else ()
    made = Contexts(
        server=_server(settings, tls) if tls else None,
        client=_client(settings, named=False) if calls else None,
        named=_client(settings, named=True) if calls else None,
        files=files,
        revocation=_revocation(settings, tls) if tls and tls.crl else None,
    )
    for context in (made.server, made.client, made.named):
        if context and made.revocation:
            made.revocation.check_with(context)
    return made


def web_context(settings: Settings) -> ssl.SSLContext:
    """The context for HTTPS; who asks shows no certificate. Raises ConfigError."""
    assert settings.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, settings.tls.profile)
    _show(context, settings, settings.tls)
    context.set_alpn_protocols(["http/1.1"])
    return context


def file_states(tls: Tls) -> FileStates:
    """How the files of [tls] are now."""
    return tuple(_state(path) for path in (tls.certificate, tls.key, tls.ca, *tls.crl) if path)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:  # which one it is, is said when it is to be read
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _server(settings: Settings, tls: Tls) -> ssl.SSLContext:
    if tls.require_client and tls.ca is None:
        raise _error(settings, "ca: missing; require_client = true needs it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, tls.profile)
    _show(context, settings, tls)
    if tls.ca:
        _trust(context, settings, tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_client else ssl.CERT_OPTIONAL
    return context


def _client(settings: Settings, named: bool) -> ssl.SSLContext:
    tls = settings.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, tls.profile if tls else "bcp195")
    # Peers are known by address and AE title; their certificates are often for other names.
    context.check_hostname = named
    if tls and tls.ca:
        _trust(context, settings, tls.ca)
    else:
        context.load_default_certs()
    if tls:
        _show(context, settings, tls)
    return context


def _harden(context: ssl.SSLContext, profile: TlsProfile) -> None:
    """Versions by RFC 8996, suites of the profile, nothing that RFC 9325 3 warns of."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES[profile]))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE


def _show(context: ssl.SSLContext, settings: Settings, tls: Tls) -> None:
    def refuse() -> NoReturn:  # else OpenSSL would ask whoever sits before the terminal
        raise _error(settings, f"key: {tls.key} is encrypted; takes one without a password")

    try:
        context.load_cert_chain(tls.certificate, tls.key, password=refuse)
    except OSError as error:
        _check_readable(settings, "certificate", tls.certificate)
        _check_readable(settings, "key", tls.key)
        words = f"certificate, key: cannot be used: {words_of(error)}"
        raise _error(settings, f"{words} ({tls.certificate}, {tls.key})") from error


def _trust(context: ssl.SSLContext, settings: Settings, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        _check_readable(settings, "ca", ca)
        raise _error(settings, f"ca: {ca} cannot be used: {words_of(error)}") from error


def _revocation(settings: Settings, tls: Tls) -> "Revocation":
    # Not loaded by a node that has no lists: it takes 10 MB.
    from scp.network.tls.revocation_lists import ListError, revocation

    if tls.ca is None:
        raise _error(settings, "ca: missing; crl needs it")
    try:
        return revocation(tls.crl, tls.ca)
    except ListError as error:
        raise _error(settings, f"crl: {error}") from error
    except (OSError, ValueError) as error:
        raise _error(settings, f"ca: {tls.ca} cannot be used with crl: {error}") from error


def _check_readable(settings: Settings, key: str, path: Path) -> None:
    """Say which file it is that cannot be read: OpenSSL does not."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise _error(settings, f"{key}: {path} cannot be read: {error.strerror}") from error


def _error(settings: Settings, words: str) -> ConfigError:
    return ConfigError(f"{settings.source}: [tls] {words}")
