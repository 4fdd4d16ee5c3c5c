"""The servers that are measured: how each is configured and started, and how durable it is."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lib.bench_programs import MissingError, check_qrscp, dcmtk, orthanc

TITLE, DESTINATION = "BENCH", "BENCHDEST"  # AE titles of every server, and of where moves go
PDU_BYTES = 131_072  # the most that DCMTK takes


@dataclass(frozen=True)
class Place:
    """What a server is given: an empty folder, ports, and the port of the move destination."""

    folder: Path
    port: int
    destination: int
    http: int = 0


@dataclass(frozen=True)
class Peer:
    """A server program: a column of the results."""

    name: str
    durability: str
    command: Callable[[Place], list[str]]  # writes the configuration; may raise MissingError
    check: Callable[[], object]  # raises MissingError where it is not installed


def _node_command(place: Place, sync: bool) -> list[str]:
    """The node, as it is delivered."""
    path = place.folder / "config.toml"
    path.write_text(
        f'[node]\nae_title = "{TITLE}"\nport = {place.port}\n'
        f"[storage]\nsync = {json.dumps(sync)}\n"
        f'[peers.{DESTINATION}]\nhost = "127.0.0.1"\nport = {place.destination}\n'
    )
    return [sys.executable, "-m", "scp", "serve", "-c", str(path)]


def orthanc_command(place: Place, **more: object) -> list[str]:
    """Orthanc, with further settings or others in their place. Raises MissingError."""
    path = place.folder / "orthanc.json"
    allowed = ("Echo", "Store", "Find", "Get", "Move")
    settings: dict[str, object] = {
        "StorageDirectory": str(place.folder / "storage"),
        "IndexDirectory": str(place.folder / "storage"),
        "Plugins": [],
        "HttpServerEnabled": False,
        "DicomAet": TITLE,
        "DicomPort": place.port,
        "DicomModalities": {"destination": [DESTINATION, "127.0.0.1", place.destination]},
        "MaximumPduLength": PDU_BYTES,
        "OverwriteInstances": True,
        **{f"DicomAlwaysAllow{verb}": True for verb in allowed},
        **more,
    }
    path.write_text(json.dumps(settings))
    return [orthanc(), str(path)]


def _dcmqrscp_command(place: Place) -> list[str]:
    path, store = place.folder / "dcmqrscp.cfg", place.folder / "store"
    store.mkdir()
    # As much as it can hold: its own limits are 500 studies, and 1 GiB in each.
    path.write_text(
        f"NetworkTCPPort = {place.port}\nMaxPDUSize = {PDU_BYTES}\nMaxAssociations = 64\n"
        f"HostTable BEGIN\ndest = ({DESTINATION}, localhost, {place.destination})\n"
        "HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{TITLE} {store} RW (500, 1024mb) ANY\nAETable END\n"
    )
    return [dcmtk("dcmqrscp"), "-c", str(path)]


def _qrscp_command(place: Place) -> list[str]:
    path = place.folder / "qrscp.ini"
    # By its usual timeouts it aborts the requestor of a move that takes longer.
    path.write_text(
        f"[DEFAULT]\nae_title: {TITLE}\nport: {place.port}\nmax_pdu: {PDU_BYTES}\n"
        "acse_timeout: 900\ndimse_timeout: 900\nnetwork_timeout: 900\nbind_address: 127.0.0.1\n"
        f"instance_location: {place.folder / 'instances'}\n"
        f"database_location: {place.folder / 'instances.sqlite'}\nlog_identifier: False\n"
        f"[{DESTINATION}]\naddress: 127.0.0.1\nport: {place.destination}\n"
    )
    return [sys.executable, "-m", "pynetdicom", "qrscp", "-q", "-c", str(path)]


NODE = Peer(
    "node", "file, its folder, journal and index synced",
    partial(_node_command, sync=True), lambda: None,
)  # fmt: skip
NODE_WITHOUT_SYNC = Peer(
    NODE.name, "none: the system writes when it likes",  # in a row of its own
    partial(_node_command, sync=False), lambda: None,
)  # fmt: skip
ORTHANC = Peer(
    "orthanc", "file synced (SyncStorageArea, its default since 1.7.4); its folder, index not",
    orthanc_command, orthanc,
)  # fmt: skip
DCMQRSCP = Peer(
    "dcmqrscp", "none: the system writes when it likes",
    _dcmqrscp_command, lambda: dcmtk("dcmqrscp"),
)  # fmt: skip
QRSCP = Peer(
    "qrscp", "none for the file, and Success where indexing failed; SQLite commits its rows",
    _qrscp_command, check_qrscp,
)  # fmt: skip
PEERS = (NODE, ORTHANC, DCMQRSCP, QRSCP)


def installed(names: Sequence[str], known: Sequence[Peer]) -> tuple[list[Peer], list[str]]:
    """Those of the known that are named and installed; and a line for each that is not there."""
    there, missing = [], []
    for peer in known:
        if peer.name in names:
            try:
                peer.check()
                there.append(peer)
            except MissingError as error:
                missing.append(f"{peer.name}: left out: {error}")
    return there, missing
