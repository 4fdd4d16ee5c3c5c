"""config.toml read into frozen, checked settings; each fault named by file, key and value."""

import json
import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import ErrorDetails
from pydicom.charset import python_encoding

# PS3.3 C.12.1.1.2. pydicom also reads the empty value and two misspellings.
CHARSETS = frozenset(python_encoding) - {"", "ISO 2022 58", "ISO 2022 GBK"}
OnConflict = Literal["replace", "keep", "refuse"]


class Service(StrEnum):
    """What a peer may be allowed to ask for."""

    ECHO, STORE, FIND = "echo", "store", "find"
    MOVE, GET, COMMIT = "move", "get", "commit"


class ConfigError(Exception):
    """The configuration cannot be used; its text has one line per fault."""


def _path(given: object, info: pydantic.ValidationInfo) -> object:
    if isinstance(given, str) and given and "\0" not in given:
        given = Path(given)
    folder: Path = (info.context or {}).get("folder", Path())
    return (folder / given).absolute() if isinstance(given, Path) else given  # refused next


def _takes(what: str, **rules: Any) -> Any:
    # What a key takes, in words and as rules: the texts of faults are made from the words.
    return Field(description=what, **rules)


def _integer(low: int, high: int | None = None, unit: str = "") -> Any:
    limits = f"of {low} or more" if high is None else f"from {low} to {high}"
    return _takes(f"an integer {limits}{unit}", ge=low, le=high)


# PS3.5 6.2, VR AE: leading and trailing spaces are not significant.
_AE_TITLE = _takes(
    "an AE title: 1 to 16 printable ASCII characters, no backslash, not only spaces",
    pattern=r"^ *[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])? *$",
)
_ALLOW = _takes(f"a list of {', '.join(Service)}", strict=False)
_CHARSET = _takes('a DICOM character set such as "ISO_IR 100"', pattern=f"^({'|'.join(CHARSETS)})$")
_FILE = _takes("the path of a file")
_FOLDER = _takes("the path of a folder", validate_default=True)
_FROM = _takes('a list of addresses and networks such as "10.0.0.0/8"', alias="from", strict=False)
_HOST = _takes("a host name or IP address", pattern=r"^[^\s\x00-\x1F\x7F]+$")

AETitle = Annotated[str, _AE_TITLE, AfterValidator(lambda title: title.strip(" "))]
Bool = Annotated[bool, _takes("true or false")]
# Only text is parsed: ip_network would take the integer 10 for the address 0.0.0.10.
_to_network = BeforeValidator(lambda given: ip_network(given) if isinstance(given, str) else given)
Network = Annotated[IPv4Network | IPv6Network, _to_network]
Seconds = Annotated[float, _takes("a number of seconds above 0", gt=0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of config.toml: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)


class Node(Table):
    """What this node is called and where it listens; port 0 lets the kernel pick one."""

    ae_title: AETitle = "MINIPACS"
    host: Annotated[str, _HOST] = "127.0.0.1"
    port: Annotated[int, _integer(0, 65535)] = 11112
    workers: Annotated[int, _integer(0, 256)] = 0


class Storage(Table):
    """Where and how received instances are kept."""

    path: Annotated[Path, BeforeValidator(_path), _FOLDER] = Path("data")
    on_conflict: Annotated[OnConflict, _takes(" or ".join(get_args(OnConflict)))] = "replace"
    sync: Bool = True
    charset: Annotated[str, _CHARSET] = "ISO_IR 100"


class Access(Table):
    """Who may open an association."""

    any_peer: Bool = True
    any_called_title: Bool = False


class Limits(Table):
    """Bounds on what callers can take up: counts, bytes, and timeouts in seconds."""

    associations: Annotated[int, _integer(1)] = 100
    pdu_bytes: Annotated[int, _integer(4096, 134217728, unit=" (bytes)")] = 1048576
    acse_timeout: Seconds = 30
    dimse_timeout: Seconds = 60
    network_timeout: Seconds = 120
    find_responses: Annotated[int, _integer(0)] = 0
    free_bytes: Annotated[int, _integer(0, unit=" (bytes)")] = 1073741824


class Peer(Table):
    """Another AE: its address, if we send to it, and what it may ask of us."""

    host: Annotated[str | None, _HOST] = None
    port: Annotated[int | None, _integer(1, 65535)] = None
    sources: Annotated[tuple[Network, ...], _FROM] = ()  # empty: any address
    charset: Annotated[str | None, _CHARSET] = None
    allow: Annotated[frozenset[Annotated[Service, Field(strict=False)]], _ALLOW] = frozenset(
        Service
    )

    @pydantic.model_validator(mode="after")
    def _address_is_whole(self) -> Self:
        if (self.host is None) != (self.port is None):
            missing = "host" if self.host is None else "port"
            raise ValueError(f"{missing}: missing; takes host and port together, or neither")
        return self


class Tls(Table):
    """The certificate that the node shows, and what it asks of a caller's."""

    certificate: Annotated[Path, BeforeValidator(_path), _FILE]
    key: Annotated[Path, BeforeValidator(_path), _FILE]
    ca: Annotated[Path | None, BeforeValidator(_path), _FILE] = None
    require_client: Bool = False


class Document(Table):
    """All that config.toml can hold."""

    node: Node = Node()
    storage: Storage = Field(default_factory=Storage)
    access: Access = Access()
    limits: Limits = Limits()
    peers: dict[AETitle, Peer] = {}
    tls: Tls | None = None


class Settings(Document):
    """The checked configuration, and the file that it was read from."""

    source: Path

    def peer(self, ae_title: str) -> Peer | None:
        """The peer of that AE title, if there is one under [peers]."""
        return self.peers.get(ae_title.strip(" "))


TABLES: dict[str, type[Table]] = {
    name: next(
        t for t in (field.annotation, *get_args(field.annotation)) if t in Table.__subclasses__()
    )
    for name, field in Document.model_fields.items()
}


def load(path: Path) -> Settings:
    """Read and check a config file; ConfigError has a line for every fault in it."""
    raw = _read(path)
    # Even when left out, so that its default path too is taken from the file's folder.
    raw.setdefault("storage", {})
    context = {"folder": path.absolute().parent}
    faults = list(_same_titles(raw.get("peers")))
    try:
        document = Document.model_validate(raw, context=context, by_alias=True, by_name=False)
    except pydantic.ValidationError as error:
        faults += [_fault(detail) for detail in error.errors()]
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(f"{path}: {fault}" for fault in faults)))
    return Settings(source=path.absolute(), **dict(document))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as error:
        hint = "give its path with --config or in $MINIPACS_CONFIG"
        raise ConfigError(f"{path}: not found; {hint}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # its syntax, or bytes that are not UTF-8
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _same_titles(peers: object) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in peers if isinstance(peers, dict) else ():
        first = seen.setdefault(name.strip(" "), name)
        if first != name:
            yield f"[{_key('peers', name)}]: the same AE title as [{_key('peers', first)}]"


def _toml(given: object) -> str:
    return json.dumps(given, ensure_ascii=False, default=str)


def _key(*names: str) -> str:
    return ".".join(n if re.fullmatch(r"[A-Za-z0-9_-]+", n) else _toml(n) for n in names)


def _fault(detail: ErrorDetails) -> str:
    loc, given = [str(part) for part in detail["loc"]], detail["input"]
    depth = 2 if loc[0] == "peers" else 1
    header, rest = f"[{_key(*loc[:depth])}]", loc[depth:]
    if loc[0] not in TABLES:
        where = header if isinstance(given, dict) else _key(loc[0])
        return f"{where}: unknown; the tables are {', '.join(f'[{name}]' for name in TABLES)}"
    if not rest:
        rule = detail.get("ctx", {}).get("error")  # one between keys
        return f"{header} {rule}" if rule else f"{header}: takes a table, not {_toml(given)}"
    if rest == ["[key]"]:
        return f"{header}: takes {_AE_TITLE.description}, not {_toml(given)}"
    fields, key = TABLES[loc[0]].model_fields, rest[0]
    keys = {field.alias or name: field.description for name, field in fields.items()}
    if key not in keys:
        return f"{header} {_key(key)}: unknown key; {header} takes {', '.join(keys)}"
    if detail["type"] == "missing":
        return f"{header} {key}: missing; takes {keys[key]}"
    return f"{header} {key}: takes {keys[key]}, not {_toml(given)}"


def warnings(settings: Settings) -> list[str]:
    """What the settings allow that should be done knowingly, a sentence each."""
    host, tls, found = settings.node.host, settings.tls, []
    outside = not re.fullmatch(r"127(\.\d+){3}|::1|localhost", host)
    if outside and settings.access.any_peer:
        holder = " with a certificate that it trusts" if tls and tls.require_client else ""
        found.append(
            f"[node] host is {host} and [access] any_peer is true: any machine that reaches it"
            f"{holder} may store, query and retrieve all; any_peer = false keeps it to [peers]."
        )
    if outside and tls is None:
        found.append(f"[node] host is {host} without [tls]: patient data travels unencrypted.")
    if not settings.storage.sync:
        found.append("[storage] sync is false: a power cut can lose instances answered Success.")
    return found
