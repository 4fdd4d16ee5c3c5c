"""config.toml read into checked settings; each fault named by file, key and value."""

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydantic
from pydantic_core import ErrorDetails

from scp.config.orders import Orders
from scp.config.schema import AE_TITLE_RULE, TABLES, ConfigDocument, Settings, Tls, Web
from scp.config.shared import SharedStore
from scp.config.users import USER_NAME_RULE

# Tables of which there are several, by a name: what it takes.
_NAMED = {"peers": AE_TITLE_RULE, "users": USER_NAME_RULE}
# Tables in which passwords may stand: what is given there is not shown.
_SECRET = {"index"}
_LOOPBACK = re.compile(r"127(\.\d+){3}|::1|localhost")


class ConfigError(Exception):
    """The configuration cannot be used; its text has one line per fault."""


def load(path: Path) -> Settings:
    """Read and check a config file; ConfigError has a line for every fault in it."""
    return checked(_read(path), path)


def checked(document: dict[str, Any], path: Path) -> Settings:
    """What TOML of a config file says, checked; ConfigError has a line for every fault in it."""
    # Even when left out, so that its default path too is taken from the file's folder.
    raw = {"storage": {}, **document}
    context = {"folder": path.absolute().parent}
    faults = list(_same_titles(raw.get("peers")))
    try:
        found = ConfigDocument.model_validate(raw, context=context, by_alias=True, by_name=False)
        faults += _same_ports(found)
        faults += _no_destinations(found)
        faults += _not_shared(found)
        if found.orders and not found.worklist:
            faults.append("[orders]: is for [worklist], which is left out")
        faults += _open_doors(found)
    except pydantic.ValidationError as error:
        faults += [_fault(detail) for detail in error.errors()]
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(f"{path}: {fault}" for fault in faults)))
    return Settings(source=path.absolute(), **dict(found))


def _read(path: Path) -> dict[str, Any]:
    try:
        return parsed(path.read_bytes(), path)
    except FileNotFoundError as error:
        hint = "give its path with --config or in $MINIPACS_CONFIG"
        raise ConfigError(f"{path}: not found; {hint}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The TOML of a config file. Raises ConfigError."""
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:  # its syntax, or bytes that are not UTF-8
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _same_titles(peers: object) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in peers if isinstance(peers, dict) else ():
        first = seen.setdefault(name.strip(" "), name)
        if first != name:
            yield f"[{key_of('peers', name)}]: the same AE title as [{key_of('peers', first)}]"


def _same_ports(document: ConfigDocument) -> Iterator[str]:
    if document.node.port and document.node.port == _tls_port(document):
        yield f"[tls] port: takes another one than [node] port, not {document.node.port} too"


def _no_destinations(document: ConfigDocument) -> Iterator[str]:
    for number, rule in enumerate(document.forward, 1):
        for title in rule.to:
            peer = document.peers.get(title)
            if peer is None or peer.host is None:
                lacks = "there is no such table" if peer is None else "has no host and port"
                yield f"[[forward]] {number} to: [{key_of('peers', title)}] {lacks}"


def _not_shared(document: ConfigDocument) -> Iterator[str]:
    """What does not go together with an archive that several nodes share, or is missing of it."""
    given = [name for name in ("index", "store") if getattr(document, name)]
    if len(given) == 1:
        lacks = "store" if given == ["index"] else "index"
        yield f"[{lacks}]: missing; an archive that several nodes share takes [index] and [store]"
    if not given:
        return
    where = "an archive of [index] and [store]"
    if not document.storage.sync:
        yield f"[storage] sync: is true with {where}: what was answered lies there durably"


def _open_doors(document: ConfigDocument) -> Iterator[str]:
    """What would let anybody in over HTTP, or passwords be read on their way."""
    web = document.web
    if web is None:
        return
    is_outside, is_proxied = not is_loopback(web.host), bool(web.trusted_proxies)
    if web.tls and document.tls is None:
        yield "[web] tls: is true, and there is no [tls] whose certificate could be shown"
    if web.auth != "none" and "allow" in web.model_fields_set:
        yield '[web] allow: is for auth = "none"; what a user may stands in allow of [users]'
    if web.auth == "proxy" and not is_proxied:
        yield '[web] auth: "proxy" takes the addresses of the proxies in trusted_proxies'
    if not is_outside:
        return
    if web.auth == "none":
        yield (
            f'[web] auth: "none" is for a host of this machine, not {web.host}: anybody could find,'
            ' see and store all; set it to "basic", "token" or "proxy", or host to "127.0.0.1"'
        )
    elif web.auth != "proxy" and not (web.tls or is_proxied):
        yield (
            f"[web] auth: what proves who asks would travel unencrypted to {web.host}: set tls to "
            "true, trusted_proxies to the proxies that encrypt, or host to 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is one that only this machine reaches."""
    return bool(_LOOPBACK.fullmatch(host))


def _tls_port(document: ConfigDocument) -> int | None:
    return document.tls.port if document.tls else None


def _toml(given: object) -> str:
    return json.dumps(given, ensure_ascii=False, default=str)


def key_of(*names: str) -> str:
    """A key of several parts, as TOML has it."""
    return ".".join(n if re.fullmatch(r"[A-Za-z0-9_-]+", n) else _toml(n) for n in names)


def _fault(detail: ErrorDetails) -> str:
    loc, given = [str(part) for part in detail["loc"]], detail["input"]
    depth = 2 if loc[0] in (*_NAMED, "forward") else 1
    header, rest = f"[{key_of(*loc[:depth])}]", loc[depth:]
    if loc[0] == "forward":  # an array of tables: they are counted
        header = " ".join(["[[forward]]", *(str(int(number) + 1) for number in loc[1:depth])])
    if loc[0] not in TABLES:
        where = header if isinstance(given, dict) else key_of(loc[0])
        return f"{where}: unknown; the tables are {', '.join(f'[{name}]' for name in TABLES)}"
    if not rest:
        rule = detail.get("ctx", {}).get("error")  # one between keys
        kind = "an array of tables" if header == "[[forward]]" else "a table"
        if loc[0] in _SECRET:
            return f"{header}: takes {kind}"
        return f"{header} {rule}" if rule else f"{header}: takes {kind}, not {_toml(given)}"
    if rest == ["[key]"]:
        return f"{header}: takes {_NAMED[loc[0]].description}, not {_toml(given)}"
    fields, key = TABLES[loc[0]].model_fields, rest[0]
    keys = {field.alias or name: field.description for name, field in fields.items()}
    if key not in keys:
        return f"{header} {key_of(key)}: unknown key; {header} takes {', '.join(keys)}"
    if detail["type"] == "missing":
        return f"{header} {key}: missing; takes {keys[key]}"
    shown = "" if loc[0] in _SECRET else f", not {_toml(given)}"
    return f"{header} {key}: takes {keys[key]}{shown}"


def warnings(settings: Settings) -> list[str]:
    """What the settings allow that should be done knowingly, a sentence each."""
    host, tls, found = settings.node.host, settings.tls, []
    outside = not is_loopback(host)
    if outside and settings.access.any_peer:
        proven = tls and tls.require_client and tls.port is None
        holder = " with a certificate that it trusts" if proven else ""
        found.append(
            f"[node] host is {host} and [access] any_peer is true: any machine that reaches it"
            f"{holder} may store, query and retrieve all; any_peer = false keeps it to [peers]."
        )
    if outside and tls is None:
        found.append(f"[node] host is {host} without [tls]: patient data travels unencrypted.")
    elif outside and tls and tls.port is not None:
        found.append(
            f"[node] host is {host} and [node] port is plain beside [tls] port: patient data of "
            "those who call it travels unencrypted."
        )
    if settings.metrics and not is_loopback(settings.metrics.host):
        found.append(
            f"[metrics] host is {settings.metrics.host}: any machine that reaches it may read how "
            "much comes and goes, and the AE titles of [peers]."
        )
    found += [*_of_fhir(settings), *_of_orders(settings)]
    if settings.web:
        found += _of_web(settings, settings.web)
    if settings.store:
        found += _of_store(settings.store)
    if not settings.storage.sync:
        found.append("[storage] sync is false: a power cut can lose instances answered Success.")
    return found


def _of_orders(settings: Settings) -> Iterator[str]:
    if settings.orders and not is_loopback(settings.orders.host):
        yield (
            f"[orders] host is {settings.orders.host}: HL7 messages travel unencrypted, and who "
            "sends them is not proven; from keeps it to addresses."
        )


def _of_store(store: SharedStore) -> Iterator[str]:
    url = urlsplit(store.endpoint or "")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield (
            f"[store] endpoint is {store.endpoint}: patient data travels there unencrypted; https "
            "keeps it."
        )
    with suppress(OSError):  # told by who reads it
        if store.keys and store.keys.stat().st_mode & 0o077:
            yield f"[store] keys: others may read {store.keys}; chmod 600 keeps it."


def _of_fhir(settings: Settings) -> Iterator[str]:
    for title, peer in settings.peers.items():
        url = urlsplit(peer.fhir or "")
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            yield (
                f"[{key_of('peers', title)}] fhir is {peer.fhir}: patient data travels there "
                "unencrypted; https keeps it."
            )


def _of_web(settings: Settings, web: Web) -> Iterator[str]:
    how = {"basic": ("password", "tokens"), "token": ("tokens",)}.get(web.auth, ())
    if how and not any(getattr(user, key) for user in settings.users.values() for key in how):
        yield (
            f'[web] auth is "{web.auth}" and no table of [users] has {" or ".join(how)}: nobody '
            "can ask; `minipacs user add NAME` makes one."
        )
    if not is_loopback(web.host) and not web.tls:
        yield (
            f"[web] host is {web.host} without tls: patient data travels unencrypted to the "
            "proxies, and whoever asks past them is refused."
        )


# Of these the node makes something when it starts: sockets, processes, an archive.
_FIXED = (("node", "host"), ("node", "port"), ("node", "workers"),
          ("storage", "path"), ("storage", "sync"), ("storage", "readers"),
          ("storage", "any_file_system"),
          ("log", "format"))  # fmt: skip

_WHOLE = ("index", "store", "metrics")


def fixed(old: Settings, new: Settings) -> list[str]:
    """What has changed in `new` and takes effect only when the node is started again."""
    found = [
        f"{new.source}: [{table}] {key}: takes effect at the next start"
        for table, key in _FIXED
        if getattr(getattr(old, table), key) != getattr(getattr(new, table), key)
    ]
    found += [
        f"{new.source}: [{table}]: takes effect at the next start"
        for table in _WHOLE
        if getattr(old, table) != getattr(new, table)
    ]
    if old.web != new.web and _web(old, new, _tls(old, new)) is old.web:
        found.append(f"{new.source}: [web] host, port: take effect at the next start, and so all")
    if old.orders != new.orders and _orders(old, new) is old.orders:
        found.append(f"{new.source}: [orders] host, port: take effect at the next start")
    if _tls_port(old) != _tls_port(new):
        found.append(
            f"{new.source}: [tls] port: takes effect at the next start, and so all of [tls]"
        )
    return found


def renewed(old: Settings, new: Settings) -> Settings:
    """`new`, but for what stays as it is in `old` until the next start."""
    kept: dict[str, dict[str, Any]] = {}
    for table, key in _FIXED:
        kept.setdefault(table, {})[key] = getattr(getattr(old, table), key)
    tables = {t: getattr(new, t).model_copy(update=values) for t, values in kept.items()}
    tls = _tls(old, new)
    whole = {table: getattr(old, table) for table in _WHOLE}
    web, orders = _web(old, new, tls), _orders(old, new)
    return new.model_copy(update={**tables, "tls": tls, "web": web, "orders": orders, **whole})


def _orders(old: Settings, new: Settings) -> Orders | None:
    was, wanted = old.orders, new.orders
    is_same = was and wanted and (was.host, was.port) == (wanted.host, wanted.port)
    return wanted if is_same else was


def _tls(old: Settings, new: Settings) -> Tls | None:
    # A port comes and goes with a start, and without it the others would be another one's.
    return new.tls if _tls_port(old) == _tls_port(new) else old.tls


def _web(old: Settings, new: Settings, tls: Tls | None) -> Web | None:
    was, wanted = old.web, new.web
    if was is None or wanted is None or (wanted.tls and tls is None):
        return was
    # Who may ask was said for the host that is written beside it, and for no other.
    return wanted if (was.host, was.port) == (wanted.host, wanted.port) else was
