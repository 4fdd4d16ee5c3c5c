"""TLS for incoming associations (PS3.15 B.12, B.13)."""

import ssl

from scp.config import ConfigError
from scp.settings import Settings


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The context of [tls], or None without one. Raises ConfigError that names the key."""
    tls = settings.tls
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise _error(settings, f"certificate, key: cannot be used: {error}") from error
    if tls.require_client and tls.ca is None:
        raise _error(settings, "ca: missing; require_client = true needs it")
    if tls.ca:
        try:
            context.load_verify_locations(tls.ca)
        except (OSError, ssl.SSLError) as error:
            raise _error(settings, f"ca: cannot be used: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_client else ssl.CERT_OPTIONAL
    return context


def client_context(settings: Settings) -> ssl.SSLContext:
    """The context for calling a peer: its certificate is checked by `ca` of [tls]."""
    tls = settings.tls
    context = ssl.create_default_context(cafile=tls.ca if tls else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Peers are known by address and AE title; their certificates are made for other names.
    context.check_hostname = False
    if tls:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _error(settings: Settings, words: str) -> ConfigError:
    return ConfigError(f"{settings.source}: [tls] {words}")
