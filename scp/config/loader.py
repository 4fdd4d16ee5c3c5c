"""config.toml read into checked settings; each fault named by file, key and value."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from scp.config.schema import AE_TITLE_RULE, TABLES, ConfigDocument, Settings

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


def _tls_port(document: ConfigDocument) -> int | None:
    return document.tls.port if document.tls else None


def _toml(given: object) -> str:
    return json.dumps(given, ensure_ascii=False, default=str)


def key_of(*names: str) -> str:
    """A key of several parts, as TOML has it."""
    return ".".join(n if re.fullmatch(r"[A-Za-z0-9_-]+", n) else _toml(n) for n in names)


def _fault(detail: ErrorDetails) -> str:
    loc, given = [str(part) for part in detail["loc"]], detail["input"]
    depth = 2 if loc[0] in ("peers", "forward") else 1
    header, rest = f"[{key_of(*loc[:depth])}]", loc[depth:]
    if loc[0] == "forward":  # an array of tables: they are counted
        header = " ".join(["[[forward]]", *(str(int(number) + 1) for number in loc[1:depth])])
    if loc[0] not in TABLES:
        where = header if isinstance(given, dict) else key_of(loc[0])
        return f"{where}: unknown; the tables are {', '.join(f'[{name}]' for name in TABLES)}"
    if not rest:
        rule = detail.get("ctx", {}).get("error")  # one between keys
        kind = "an array of tables" if header == "[[forward]]" else "a table"
        return f"{header} {rule}" if rule else f"{header}: takes {kind}, not {_toml(given)}"
    if rest == ["[key]"]:
        return f"{header}: takes {AE_TITLE_RULE.description}, not {_toml(given)}"
    fields, key = TABLES[loc[0]].model_fields, rest[0]
    keys = {field.alias or name: field.description for name, field in fields.items()}
    if key not in keys:
        return f"{header} {key_of(key)}: unknown key; {header} takes {', '.join(keys)}"
    if detail["type"] == "missing":
        return f"{header} {key}: missing; takes {keys[key]}"
    return f"{header} {key}: takes {keys[key]}, not {_toml(given)}"


def warnings(settings: Settings) -> list[str]:
    """What the settings allow that should be done knowingly, a sentence each."""
    host, tls, found = settings.node.host, settings.tls, []
    outside = not _LOOPBACK.fullmatch(host)
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
    if settings.metrics and not _LOOPBACK.fullmatch(settings.metrics.host):
        found.append(
            f"[metrics] host is {settings.metrics.host}: any machine that reaches it may read how "
            "much comes and goes, and the AE titles of [peers]."
        )
    if settings.web and not _LOOPBACK.fullmatch(settings.web.host):
        found.append(
            f"[web] host is {settings.web.host}: any machine that reaches it may find, see and "
            "store all, and it travels unencrypted; keep it to 127.0.0.1 behind a proxy that asks "
            "who it is."
        )
    if not settings.storage.sync:
        found.append("[storage] sync is false: a power cut can lose instances answered Success.")
    return found


# Of these the node makes something when it starts: sockets, processes, an archive.
_FIXED = (("node", "host"), ("node", "port"), ("node", "workers"),
          ("storage", "path"), ("storage", "sync"), ("storage", "readers"),
          ("storage", "any_file_system"),
          ("log", "format"))  # fmt: skip

_WHOLE = ("metrics", "web")


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
    # A port comes and goes with a start, and without it the others would be another one's.
    tls = new.tls if _tls_port(old) == _tls_port(new) else old.tls
    whole = {table: getattr(old, table) for table in _WHOLE}
    return new.model_copy(update={**tables, "tls": tls, **whole})
