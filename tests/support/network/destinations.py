"""Move destinations that do as a test says: hold, refuse, abort, drop, or answer nonsense."""

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE
from pynetdicom.pdu import A_RELEASE_RQ, P_DATA_TF
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from support import CLIENT_SECONDS, ECHO, START_SECONDS, Inbox, dcmtk, free_port

_SIDE_EFFECTS = (evt.EVT_ESTABLISHED, evt.EVT_CONN_CLOSE, evt.EVT_DATA_RECV, evt.EVT_PDU_RECV)


class Lost(Exception):
    """The destination has ended the association; there is nothing to answer."""


class Gate:
    """Where something waits until the test lets it through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def hold(self) -> None:
        """Wait here until it is opened."""
        self.reached.set()
        assert self._opened.wait(CLIENT_SECONDS)

    def wait_until_reached(self) -> None:
        """Wait until something has come here."""
        assert self.reached.wait(CLIENT_SECONDS), "nothing has come"

    def open(self) -> None:
        """Let through whatever waits or comes."""
        self._opened.set()


@dataclass
class Caller:
    """An association that a destination accepted: what was proposed, and what came over it."""

    calling: str
    called: str
    proposed: list[tuple[str, tuple[str, ...]]]
    pdu_bytes: int  # what the caller takes at most
    instances: list[str] = field(default_factory=list)
    longest_pdu: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def proposed_for(self, sop_class: str) -> list[tuple[str, ...]]:
        """The transfer syntaxes of the contexts of a class, in their order."""
        return [syntaxes for uid, syntaxes in self.proposed if uid == sop_class]


@dataclass(frozen=True)
class Coming:
    """A C-STORE request at a destination, numbered from 1 over all of its associations."""

    number: int
    event: evt.Event
    caller: Caller

    @property
    def uid(self) -> str:
        """The SOP Instance UID."""
        return str(self.event.request.AffectedSOPInstanceUID)

    def respond(self, status: int | None, message_id: int = 0) -> None:
        """Send a response beside the one that is due."""
        request, response = self.event.request, C_STORE()
        response.MessageIDBeingRespondedTo = message_id or request.MessageID
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
        response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
        if status is not None:
            response.Status = status
        self.send(response)

    def send(self, message: Any) -> None:
        """Send any DIMSE message on the context of the request."""
        self.event.assoc.dimse.send_msg(message, self.event.context.context_id)

    @property
    def connection(self) -> socket.socket:
        """The TCP connection."""
        return self.event.assoc.dul.socket.socket


# Decides on one request: the status, None for Success; or raises Lost.
Script = Callable[[Coming], int | None]


class Destination:
    """A storage SCP of pynetdicom's that does as `does` says, and keeps what it took."""

    def __init__(self, quick: bool = True) -> None:
        self._quick = quick  # acknowledges what comes at once, not after the usual 40 ms
        self.inbox = Inbox()
        self.callers: list[Caller] = []
        self.port = 0
        self._script: Script | None = None
        self._read_gate: Gate | None = None
        self._release_gate: Gate | None = None
        self._count = self._run = self._hang_ups = 0
        self._lock = threading.Lock()

    @contextmanager
    def serving(
        self,
        contexts: Iterable[tuple[str, list[str]]],
        *,
        max_pdu: int = 1048576,
        calling: list[str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Iterator["Destination"]:
        """Take `contexts` on a port of the kernel's choice; `calling`: only from these titles."""
        entity = AE("DESTINATION")
        entity.maximum_pdu_size = max_pdu
        entity.maximum_associations = 50
        entity.require_calling_aet = calling or []
        for sop_class, syntaxes in contexts:
            if not sop_class.startswith("1.2.840.10008."):
                register_uid(
                    sop_class, f"Private{sop_class.replace('.', '_')}", StorageServiceClass
                )
            entity.add_supported_context(sop_class, syntaxes)
        handlers: list[Any] = [(event, self._notice) for event in _SIDE_EFFECTS]
        handlers.append((evt.EVT_C_STORE, self._take))
        server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls
        )
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            # Nobody needs to wait for it.
            threading.Thread(target=server.shutdown).start()

    @contextmanager
    def does(self, script: Script | None = None) -> Iterator["Destination"]:
        """Follow a script, from an empty inbox on."""
        self.inbox.arrived.clear()
        self.callers.clear()
        with self._lock:
            self._count, self._script, self._run = 0, script, self._run + 1
        try:
            yield self
        finally:
            self._script = None

    @contextmanager
    def hanging_up(self, times: int) -> Iterator[None]:
        """Drop the connection of the next `times` associations as soon as they are accepted."""
        self._hang_ups = times
        try:
            yield
        finally:
            self._hang_ups = 0

    @contextmanager
    def not_reading(self) -> Iterator[Gate]:
        """Read no more from associations once they are established, until the gate is opened."""
        self._read_gate = gate = Gate()
        try:
            yield gate
        finally:
            self._read_gate = None
            gate.open()

    @contextmanager
    def not_releasing(self) -> Iterator[Gate]:
        """Answer no A-RELEASE-RQ until the gate is opened."""
        self._release_gate = gate = Gate()
        try:
            yield gate
        finally:
            self._release_gate = None
            gate.open()

    def wait_until_left(self) -> None:
        """Wait until every association so far has ended."""
        for caller in self.callers:
            assert caller.ended.wait(CLIENT_SECONDS), "an association stays open"

    def _notice(self, event: evt.Event) -> None:
        association = event.assoc
        caller: Caller | None = getattr(association, "caller", None)
        if event.event is evt.EVT_ESTABLISHED:
            request = association.requestor.primitive
            proposed = [
                (str(cx.abstract_syntax), tuple(map(str, cx.transfer_syntax)))
                for cx in request.presentation_context_definition_list
            ]
            association.caller = Caller(
                request.calling_ae_title.strip(),
                request.called_ae_title.strip(),
                proposed,
                association.requestor.maximum_length,
            )
            self.callers.append(association.caller)
            if self._hang_ups:
                self._hang_ups -= 1
                association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
            if self._quick:
                _acknowledge_at_once(association)
        elif caller is None:
            return
        elif event.event is evt.EVT_CONN_CLOSE:
            caller.ended.set()
        elif event.event is evt.EVT_DATA_RECV:
            if self._quick:
                _acknowledge_at_once(association)
            if self._read_gate:
                self._read_gate.hold()
        elif event.event is evt.EVT_PDU_RECV:
            if isinstance(event.pdu, P_DATA_TF):
                caller.longest_pdu = max(caller.longest_pdu, event.pdu.pdu_length)
            elif isinstance(event.pdu, A_RELEASE_RQ) and self._release_gate:
                self._release_gate.hold()

    def _take(self, event: evt.Event) -> int:
        caller: Caller = event.assoc.caller
        with self._lock:
            self._count += 1
            run, coming = self._run, Coming(self._count, event, caller)
            caller.instances.append(coming.uid)
        try:
            status = self._script(coming) if self._script else None
        except Lost:
            return 0x0000
        with self._lock:
            if run != self._run:  # it was held until the test had ended
                return 0x0000
            known = self.inbox.take(event)
        return known if status is None else status


def _acknowledge_at_once(association: Association) -> None:
    with suppress(OSError, AttributeError):  # it has ended
        connection = association.dul.socket.socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


# ---- scripts


def at(*numbers: int, do: Script) -> Script:
    """Do something at the requests of these numbers."""
    return lambda coming: do(coming) if coming.number in numbers else None


def hold(gate: Gate) -> Script:
    """Wait at the gate, then take it."""

    def script(coming: Coming) -> None:
        gate.hold()

    return script


def abort(coming: Coming) -> None:
    """A-ABORT."""
    coming.event.assoc.abort()
    raise Lost


def drop(coming: Coming) -> None:
    """Close the connection."""
    coming.connection.shutdown(socket.SHUT_RDWR)
    raise Lost


def reset(coming: Coming) -> None:
    """Close the connection with RST."""
    coming.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    coming.connection.shutdown(socket.SHUT_RD)
    coming.connection.close()
    raise Lost


def talk_nonsense(coming: Coming) -> None:
    """Bytes that are no PDU."""
    coming.connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def answer_another(coming: Coming) -> None:
    """The response to a request that was never made."""
    coming.respond(0x0000, coming.event.request.MessageID + 1000)
    raise Lost


def answer_without_status(coming: Coming) -> None:
    """A C-STORE response that lacks its Status."""
    coming.respond(None)
    raise Lost


def answer_an_echo(coming: Coming) -> None:
    """A C-ECHO response to the C-STORE."""
    echo = C_ECHO()
    echo.MessageIDBeingRespondedTo = coming.event.request.MessageID
    echo.AffectedSOPClassUID = UID(ECHO)
    echo.Status = 0x0000
    coming.send(echo)
    raise Lost


def ask_back(coming: Coming) -> None:
    """A request instead of the response."""
    find = C_FIND()
    find.MessageID = 7
    find.AffectedSOPClassUID = UID("1.2.840.10008.5.1.4.1.2.2.1")
    find.Priority = 0
    coming.send(find)
    raise Lost


def ask_for_release(coming: Coming) -> None:
    """A-RELEASE-RQ instead of the response."""
    coming.event.assoc.acse.send_release()
    raise Lost


# ---- what is no DICOM


@contextmanager
def mute() -> Iterator[int]:
    """A port where TCP connects, and nobody says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(20)
        yield listening.getsockname()[1]


@contextmanager
def stranger(reply: bytes) -> Iterator[int]:
    """A port where any request gets `reply`, and then the end of the connection."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(20)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(START_SECONDS)


# ---- DCMTK's storescp


def await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait until a program listens on its port."""
    for _ in range(START_SECONDS * 100):
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    raise AssertionError(f"{process.args} does not answer")


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """DCMTK's storescp, which writes what it gets, as it gets it, into `folder`; the port."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    process = subprocess.Popen(
        [dcmtk("storescp"), "-v", *options, "+B", "-od", folder, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(process, port)
        yield port
    finally:
        process.kill()
        process.wait()


ANY = ALL_TRANSFER_SYNTAXES
