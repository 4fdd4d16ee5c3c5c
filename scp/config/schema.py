"""The tables and keys of config.toml: what each takes, in words and as rules, and its default."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field

from scp.config.choices import (
    CHARSETS,
    EntryState,
    FhirForm,
    Hierarchy,
    LogFormat,
    Notice,
    OnConflict,
    Readers,
    Service,
    TlsProfile,
    WebAuth,
)
from scp.config.orders import Orders
from scp.config.shared import SharedIndex, SharedStore
from scp.config.table import Table, integer, takes, to_path
from scp.config.transfer_syntaxes import Syntax
from scp.config.users import ALLOW_RULE, Right, User, UserName


def _paths(given: object, info: pydantic.ValidationInfo) -> object:
    several = given if isinstance(given, list | tuple) else [given]
    return tuple(to_path(one, info) for one in several)


_SYNTAXES = takes(
    'a list of transfer syntaxes by keyword or UID such as "ExplicitVRLittleEndian"', strict=False
)

# PS3.5 6.2, VR AE: leading and trailing spaces are not significant.
AE_TITLE_RULE = takes(
    "an AE title: 1 to 16 printable ASCII characters, no backslash, not only spaces",
    pattern=r"^ *[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])? *$",
)
_ALLOW = takes(f"a list of {', '.join(Service)}", strict=False)
_NOTIFY = takes(f"a list of {Notice.IAN}", strict=False)
_CHARSET = takes('a DICOM character set such as "ISO_IR 100"', pattern=f"^({'|'.join(CHARSETS)})$")
_HIERARCHY = takes(" or ".join(get_args(Hierarchy)))
_FILE = takes("the path of a file")
_LISTS = takes("the path of a file, or a list of such")
_FOLDER = takes("the path of a folder", validate_default=True)
_FROM = takes('a list of addresses and networks such as "10.0.0.0/8"', alias="from", strict=False)
_PROXIES = takes(
    'a list of addresses and networks such as "127.0.0.1" and "10.0.0.0/8"', strict=False
)
_HEADER = takes('the name of a header such as "X-Forwarded-User"', pattern="^[A-Za-z0-9-]{1,64}$")
_HOST = takes("a host name or IP address", pattern=r"^[^\s\x00-\x1F\x7F]+$")

_URL_PATH = takes('a path such as "/dicom-web"', pattern=r"^(/[A-Za-z0-9._~-]+)+$")
_ORIGIN = r"^https?://[A-Za-z0-9.\[\]:_-]+$"
_URL = takes('a URL without a path such as "https://pacs.example.org"', pattern=_ORIGIN)
_FHIR = takes(
    'the URL of a FHIR server such as "https://fhir.example.org/r4"',
    pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?$",
)
_ORIGINS = takes('a list of origins such as "https://viewer.example.org"', strict=False)

# What anybody may where nobody is asked who it is: no more than a peer may.
_OF_ANYBODY = frozenset({Right.FIND, Right.RETRIEVE, Right.STORE, Right.PAGE})

AETitle = Annotated[str, AE_TITLE_RULE, AfterValidator(lambda title: title.strip(" "))]
Bool = Annotated[bool, takes("true or false")]
# Only text is parsed: ip_network would take the integer 10 for the address 0.0.0.10.
_to_network = BeforeValidator(lambda given: ip_network(given) if isinstance(given, str) else given)
Network = Annotated[IPv4Network | IPv6Network, _to_network]
_SECONDS = takes("a number of seconds above 0", gt=0, allow_inf_nan=False)
Seconds = Annotated[float, _SECONDS]
_TITLES = takes("a list of AE titles under [peers]", strict=False)
_PATTERNS = takes('a list of texts, with * and ? as wildcards, such as "CT*"', strict=False)
_SENDERS = takes(_PATTERNS.description, alias="from", strict=False)
_RULES = takes("tables", strict=False)
_STATES = takes(f"a list of {', '.join(get_args(EntryState))}", strict=False)
_HOURS = takes("a number of hours above 0", gt=0, allow_inf_nan=False)
Pattern = Annotated[str, Field(min_length=1)]


def _not_empty(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        raise ValueError("empty")
    return given


class Node(Table):
    """What this node is called and where it listens; port 0 lets the kernel pick one."""

    ae_title: AETitle = "MINIPACS"
    host: Annotated[str, _HOST] = "127.0.0.1"
    port: Annotated[int, integer(0, 65535)] = 11112
    workers: Annotated[int, integer(0, 256)] = 0


class Storage(Table):
    """Where and how received instances are kept."""

    path: Annotated[Path, BeforeValidator(to_path), _FOLDER] = Path("data")
    on_conflict: Annotated[OnConflict, takes(" or ".join(get_args(OnConflict)))] = "replace"
    sync: Bool = True
    any_file_system: Bool = False
    readers: Annotated[Readers, takes(" or ".join(get_args(Readers)))] = "owner"
    charset: Annotated[str, _CHARSET] = "ISO_IR 100"
    superseded_copies: Annotated[int, integer(0)] = 32
    superseded_percent: Annotated[int, integer(0, 100)] = 10
    metadata_bytes: Annotated[int, integer(0, unit=" (bytes)")] = 1073741824


class Access(Table):
    """Who may open an association."""

    any_peer: Bool = True
    any_called_title: Bool = False


class Limits(Table):
    """Bounds on what callers can take up: counts, bytes, and timeouts in seconds."""

    associations: Annotated[int, integer(1, 4096)] = 100
    peer_associations: Annotated[int, integer(0, 4096)] = 0
    address_associations: Annotated[int | None, integer(0, 4096)] = None
    pdu_bytes: Annotated[int, integer(4096, 134217728, unit=" (bytes)")] = 1048576
    acse_timeout: Seconds = 30
    dimse_timeout: Seconds = 60
    network_timeout: Seconds = 120
    find_responses: Annotated[int, integer(0)] = 0
    free_bytes: Annotated[int, integer(0, unit=" (bytes)")] = 1073741824
    conversion_memory: Annotated[int, integer(67108864, unit=" (bytes)")] = 536870912
    conversion_space: Annotated[int, integer(0, unit=" (bytes)")] = 8589934592
    conversion_seconds: Seconds = 600


class Peer(Table):
    """Another AE: its address, if we send to it, and what it may ask of us."""

    host: Annotated[str | None, _HOST] = None
    port: Annotated[int | None, integer(1, 65535)] = None
    sources: Annotated[tuple[Network, ...], _FROM] = ()  # empty: any address
    charset: Annotated[str | None, _CHARSET] = None
    hierarchy: Annotated[Hierarchy | None, _HIERARCHY] = None
    transfer_syntaxes: Annotated[tuple[Syntax, ...], _SYNTAXES] = ()  # empty: all
    pdu_bytes: Annotated[int | None, integer(4096, 134217728, unit=" (bytes)")] = None
    acse_timeout: Annotated[float | None, _SECONDS] = None
    dimse_timeout: Annotated[float | None, _SECONDS] = None
    sends: Annotated[int, integer(1, 16)] = 1
    associations: Annotated[int | None, integer(0, 4096)] = None
    tls: Bool = False
    tls_name: Annotated[str | None, _HOST] = None
    notify: Annotated[frozenset[Literal["ian"]], _NOTIFY] = frozenset()
    notify_quiet: Seconds = 60
    fhir: Annotated[str | None, _FHIR] = None
    fhir_version: Annotated[FhirForm, takes(" or ".join(get_args(FhirForm)))] = "R4"
    fhir_token: Annotated[Path | None, BeforeValidator(to_path), _FILE] = None
    allow: Annotated[frozenset[Annotated[Service, Field(strict=False)]], _ALLOW] = frozenset(
        Service
    )

    @pydantic.model_validator(mode="after")
    def _address_is_whole(self) -> Self:
        if (self.host is None) != (self.port is None):
            missing = "host" if self.host is None else "port"
            raise ValueError(f"{missing}: missing; takes host and port together, or neither")
        if self.notify and self.host is None:
            raise ValueError("notify: takes host and port, to send notifications to")
        if self.fhir_token and self.fhir is None:
            raise ValueError("fhir_token: is for the server that fhir names")
        if self.tls_name and not self.tls:
            raise ValueError("tls_name: is checked only with tls = true")
        return self

    @property
    def notices(self) -> list[Notice]:
        """How it is told of studies that are here."""
        return [Notice.IAN] * bool(self.notify) + [Notice.FHIR] * bool(self.fhir)


class Tls(Table):
    """The certificate that the node shows, what it asks of a caller's, and where."""

    certificate: Annotated[Path, BeforeValidator(to_path), _FILE]
    key: Annotated[Path, BeforeValidator(to_path), _FILE]
    ca: Annotated[Path | None, BeforeValidator(to_path), _FILE] = None
    require_client: Bool = False
    crl: Annotated[tuple[Path, ...], BeforeValidator(_paths), _LISTS] = ()
    port: Annotated[int | None, integer(0, 65535)] = None
    profile: Annotated[TlsProfile, takes(" or ".join(get_args(TlsProfile)))] = "bcp195"


class Audit(Table):
    """Where each association and service is written down; without a path, in the data folder."""

    enabled: Bool = True
    path: Annotated[Path | None, BeforeValidator(to_path), _FILE] = None
    file_bytes: Annotated[int, integer(4096, unit=" (bytes)")] = 16777216
    files: Annotated[int, integer(1, 1000)] = 20
    address_lines: Annotated[int, integer(0)] = 2000


class Retention(Table):
    """What leaves the archive by itself; a rule that is left out lets nothing go."""

    days: Annotated[int | None, integer(1)] = None
    bytes: Annotated[int | None, integer(1, unit=" (bytes)")] = None
    studies: Annotated[int | None, integer(1)] = None
    superseded_days: Annotated[int | None, integer(1)] = None


class Queries(Table):
    """How identifiers of C-FIND, C-MOVE and C-GET are read."""

    hierarchy: Annotated[Hierarchy, _HIERARCHY] = "lenient"
    most_headers: Annotated[int, integer(0)] = 100_000


class Log(Table):
    """How the log is written: for people, or as JSON lines."""

    format: Annotated[LogFormat, takes(" or ".join(get_args(LogFormat)))] = "text"


class Metrics(Table):
    """Where metrics and health are to be had, over HTTP; port 0 lets the kernel pick one."""

    host: Annotated[str, _HOST] = "127.0.0.1"
    port: Annotated[int, integer(0, 65535)]


class Web(Table):
    """Where DICOMweb is to be had, over HTTP (PS3.18); port 0 lets the kernel pick one."""

    host: Annotated[str, _HOST] = "127.0.0.1"
    port: Annotated[int, integer(0, 65535)]
    path: Annotated[str, _URL_PATH] = "/dicom-web"
    uri_path: Annotated[str, _URL_PATH] = "/wado"
    url: Annotated[str | None, _URL] = None
    tls: Bool = False
    auth: Annotated[WebAuth, takes(" or ".join(get_args(WebAuth)))] = "none"
    allow: Annotated[frozenset[Annotated[Right, Field(strict=False)]], ALLOW_RULE] = _OF_ANYBODY
    trusted_proxies: Annotated[tuple[Network, ...], _PROXIES] = ()
    user_header: Annotated[str, _HEADER] = "X-Forwarded-User"
    origins: Annotated[tuple[Annotated[str, Field(pattern=_ORIGIN)], ...], _ORIGINS] = ()
    store: Bool = True
    viewer: Annotated[Path | None, BeforeValidator(to_path), _FOLDER] = None
    page: Bool = True
    workers: Annotated[int, integer(0, 16)] = 0


class Worklist(Table):
    """What modalities are told to do, and what they tell of it (PS3.4 K, F)."""

    folder: Annotated[Path | None, BeforeValidator(to_path), _FOLDER] = None
    own_station: Bool = False
    serve: Annotated[tuple[EntryState, ...], _STATES] = (
        "SCHEDULED", "ARRIVED", "READY", "STARTED",
    )  # fmt: skip
    keep: Annotated[int, integer(0, 36500, unit=" (days)")] = 7
    quiet: Seconds = 300
    abandoned: Annotated[float, _HOURS] = 24
    lenient: Bool = True


class Forward(Table):
    """What is sent on as it arrives, and to which peers; a criterion left out takes any."""

    to: Annotated[tuple[AETitle, ...], _TITLES, AfterValidator(_not_empty)]
    modality: Annotated[tuple[Pattern, ...], _PATTERNS] = ()
    senders: Annotated[tuple[Pattern, ...], _SENDERS] = ()
    station: Annotated[tuple[Pattern, ...], _PATTERNS] = ()
    description: Annotated[tuple[Pattern, ...], _PATTERNS] = ()
    body_part: Annotated[tuple[Pattern, ...], _PATTERNS] = ()
    quiet: Annotated[float | None, _SECONDS] = None


class ConfigDocument(Table):
    """All that config.toml can hold."""

    node: Node = Node()
    storage: Storage = Field(default_factory=Storage)
    index: SharedIndex | None = None
    store: SharedStore | None = None
    access: Access = Access()
    limits: Limits = Limits()
    peers: dict[AETitle, Peer] = Field(default_factory=dict)
    tls: Tls | None = None
    audit: Audit = Audit()
    retention: Retention = Retention()
    log: Log = Log()
    query: Queries = Queries()
    metrics: Metrics | None = None
    web: Web | None = None
    users: dict[UserName, User] = Field(default_factory=dict)
    forward: Annotated[tuple[Forward, ...], _RULES] = ()
    worklist: Worklist | None = None
    orders: Orders | None = None


class Settings(ConfigDocument):
    """The checked configuration, and the file that it was read from."""

    source: Path

    def peer(self, ae_title: str) -> Peer | None:
        """The peer of that AE title, if there is one under [peers]."""
        return self.peers.get(ae_title.strip(" "))

    @property
    def worklist_folder(self) -> Path | None:
        """Where files of entries of the worklist lie, with [worklist] or without.

        None where several nodes have the archive, with its entries, and no folder is named.
        """
        own = self.worklist and self.worklist.folder
        return own or (None if self.store else self.storage.path / "worklist")

    @property
    def notices(self) -> dict[str, tuple[str, Notice]]:
        """Who is told of studies that are here, and how, by what the queue calls that.

        No AE title is as long as these names.
        """
        told = [(title, kind) for title, peer in self.peers.items() for kind in peer.notices]
        return {f"notices to {title} ({kind})": (title, kind) for title, kind in told}

    @property
    def destinations(self) -> list[str]:
        """What the queue has, of [[forward]] and of notices."""
        return sorted({*(title for rule in self.forward for title in rule.to), *self.notices})


TABLES: dict[str, type[Table]] = {
    name: next(
        t for t in (field.annotation, *get_args(field.annotation)) if t in Table.__subclasses__()
    )
    for name, field in ConfigDocument.model_fields.items()
}
