"""Where a request comes from: by its connection, and by what a trusted proxy says of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from scp.config import Web

Address = IPv4Address | IPv6Address

# RFC 7239 4: pairs of a name and a token or a quoted text.
_PAIR = re.compile(r'([A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)')
_ELEMENTS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')
# An address with its port, or without.
_NODE = re.compile(r"\[(?P<v6>[^]]+)\](?::\d+)?|(?P<v4>[\d.]+)(?::\d+)?|(?P<other>\S+)")
_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Connection:
    """What is known of who is at its other end."""

    address: str  # of who asks, before all proxies that are trusted
    scheme: str  # by which it was asked
    host: str = ""  # that was asked for, where a proxy says so
    is_proxied: bool = False  # by a proxy that is trusted
    is_private: bool = False  # nobody else reads what goes over it

    @classmethod
    def of(cls, environ: Mapping[str, Any], web: Web) -> "Connection":
        """That of a WSGI request."""
        peer = _address(str(environ.get("REMOTE_ADDR", "")))
        scheme = "https" if web.tls else "http"
        is_local = peer is not None and peer.is_loopback
        if not _is_trusted(peer, web):
            return cls(str(peer or ""), scheme, is_private=web.tls or is_local)
        said = _Said.of(environ)
        address = _first_stranger(peer, said.path, web)
        return cls(str(address or ""), said.scheme or scheme, said.host, True, True)


@dataclass(frozen=True)
class _Said:
    """What proxies say of a request: `path` is of addresses, the last one's last."""

    path: tuple[str, ...]
    scheme: str
    host: str

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> "_Said":
        def header(name: str) -> str:
            return str(environ.get(f"HTTP_{name}", ""))

        path, scheme = _split(header("X_FORWARDED_FOR")), _last(header("X_FORWARDED_PROTO"))
        host = _last(header("X_FORWARDED_HOST"))
        # One or the other: a proxy that writes these may hand on a Forwarded of who asks.
        if not (path or scheme or host):
            elements = [_pairs(one) for one in _ELEMENTS.findall(header("FORWARDED"))]
            path = tuple(one["for"] for one in elements if "for" in one)
            last = elements[-1] if elements else {}
            scheme, host = last.get("proto", ""), last.get("host", "")
        return cls(path, scheme if scheme in _SCHEMES else "", host)


def _first_stranger(peer: Address | None, path: tuple[str, ...], web: Web) -> Address | None:
    """The last address that is no trusted proxy's: those before it anybody may have written."""
    found = peer
    for text in reversed(path):
        address = _address(text)
        if address is None:
            break
        found = address
        if not _is_trusted(address, web):
            break
    return found


def _is_trusted(address: Address | None, web: Web) -> bool:
    return address is not None and any(address in network for network in web.trusted_proxies)


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        node = _NODE.fullmatch(text.strip())
        inner = node and (node["v6"] or node["v4"])
        return _address(inner) if inner and inner != text else None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _last(text: str) -> str:
    return next(reversed(_split(text)), "").lower()


def _pairs(element: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
        for name, value in _PAIR.findall(element)
    }
