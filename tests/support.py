"""What the tests share: the node as a user starts it, real clients, and real data sets."""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom.data
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import (
    AE,
    ALL_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    _config,
    build_role,
    evt,
)
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    PatientStudyOnlyQueryRetrieveInformationModelFind,
    PatientStudyOnlyQueryRetrieveInformationModelGet,
    PatientStudyOnlyQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from storage.diagnostics.errors import DataSetError
from storage.dicom import part10

# How long to wait for what should come at once; a test that waits this long fails.
START_SECONDS = 30
CLIENT_SECONDS = 60
TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"

CT = str(CTImageStorage)
EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
ECHO = str(Verification)
FIND = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelFind),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelFind),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelFind),
}
MOVE = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelMove),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelMove),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelMove),
}
GET = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelGet),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelGet),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelGet),
}

# Peers send, and get back, UIDs that are none.
_config.VALIDATORS["UI"] = lambda value: (True, "")

# (SOP class, transfer syntax or syntaxes), of one presentation context.
Context = tuple[str, str | list[str]]
Tables = Mapping[str, Mapping[str, Any]]

_LISTENING = re.compile(r"listening on (\S+):(\d+)$")
_END = "<end of log>"
# Processes of the node that are no workers.
_OTHERS = ("metrics", "forwarder", "catalogue")
# What a node never says, whatever its peers send.
_BUGS = (
    "Traceback",
    "Internal error",
    " request failed peer=",
    "association broken",
    "did not start",
)


# ---- the node


def toml(tables: Tables) -> str:
    """The tables as a config file; peers are tables in a table."""
    lines: list[str] = []
    for name, table in tables.items():
        if isinstance(table, list):  # an array of tables
            for one in table:
                lines += [f"[[{name}]]", *(f"{k} = {json.dumps(v)}" for k, v in one.items())]
            continue
        inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(table[key])}" for key in table if key not in inner]
        for title, peer in inner.items():
            lines.append(f"[{name}.{json.dumps(title)}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in peer.items()]
    return "\n".join(lines) + "\n"


class Code:
    """Code as the value of a constant of the program, see `RunningNode.constants`."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __repr__(self) -> str:
        return self._code


class RunningNode:
    """`python -m scp serve` in a process group of its own, with its log at hand."""

    def __init__(self, folder: Path, tables: Tables | None = None) -> None:
        tables = tables or {}
        self.folder = folder
        self.data = folder / tables.get("storage", {}).get("path", "data")
        self.config = folder / "config.toml"
        self.title = tables.get("node", {}).get("ae_title", "MINIPACS")
        self.configure(tables)
        # Of the program's modules, where a test cannot wait for so long: name -> value.
        self.constants: dict[str, object] = {}
        # What runs it.
        self.python: list[str] = [sys.executable]
        self.log: list[str] = []
        self.port = 0
        self._changed = threading.Condition()

    def configure(self, tables: Tables) -> None:
        """Write the configuration, for the next start or to be read again."""
        # The disk of a test machine may be nearly full; that is tested where it is meant.
        settings = {
            **tables,
            "node": {"port": 0, "workers": 1, **tables.get("node", {})},
            "limits": {"free_bytes": 0, **tables.get("limits", {})},
        }
        self.config.write_text(toml(settings))

    def reload(self, answer: str = "configuration reloaded") -> None:
        """Have it read its configuration again, and wait for what it says to that."""
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for_log(answer, after=mark)

    def start(self) -> "RunningNode":
        """Start it, once more too, and wait for the line that says where it listens."""
        if hasattr(self, "_reader"):  # else it would tell of the end of the one before
            self._reader.join(START_SECONDS)
        self.log = []
        self.process = subprocess.Popen(
            [*self.python, *self._program(), "serve", "-c", str(self.config)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        match = _LISTENING.search(self.wait_for_log("listening on"))
        assert match
        self.port = int(match[2])
        return self

    def _program(self) -> list[str]:
        if not self.constants:
            return ["-m", "scp"]
        modules = {_module_of(name) for name in self.constants}
        lines = [f"import {module}" for module in sorted(modules)]
        lines += [f"{name} = {value!r}" for name, value in self.constants.items()]
        return ["-c", "\n".join([*lines, "from scp.cli.app import main", "main()"])]

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._add(line.rstrip("\n"))
        self._add(_END)

    def _add(self, line: str) -> None:
        with self._changed:
            self.log.append(line)
            self._changed.notify_all()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return hasattr(self, "process") and self.process.poll() is None

    def mark(self) -> int:
        """A place in the log: where the next line comes."""
        return len(self.log)

    def logged(self, *words: str, after: int = 0) -> list[str]:
        """The lines that hold all of `words`."""
        return [line for line in self.log[after:] if all(word in line for word in words)]

    def bugs(self, after: int = 0) -> list[str]:
        """The first line that tells of a bug, and those behind it."""
        for number, line in enumerate(self.log[after:], after):
            if any(words in line for words in _BUGS):
                return self.log[number : number + 30]
        return []

    def wait_for_log(
        self, *words: str, count: int = 1, after: int = 0, seconds: float = START_SECONDS
    ) -> str:
        """The `count`-th line after the mark that holds all of `words`, once it is there."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self.logged(*words, after=after)) >= count or _END in self.log, seconds
            )
            lines = self.logged(*words, after=after)
        assert len(lines) >= count, f"no {words!r} in the log:\n" + "\n".join(self.log[-50:])
        return lines[count - 1]

    def kill(self) -> None:
        """kill -9 of the supervisor and every worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(START_SECONDS)
        self._reader.join(START_SECONDS)
        return code

    def associate(
        self, *contexts: Context, ae_title: str = "TESTER", called: str = "", **options: Any
    ) -> Association:
        """An association of pynetdicom's, established or not."""
        entity = AE(ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = CLIENT_SECONDS
        built = [build_context(uid, syntax) for uid, syntax in contexts]
        association = entity.associate(
            "127.0.0.1", self.port, contexts=built, ae_title=called or self.title, **options
        )
        _keep_responses(association)
        return association

    @contextmanager
    def association(self, *contexts: Context, **options: Any) -> Iterator[Association]:
        """An association that is established, and released behind the block."""
        association = self.associate(*contexts, **options)
        assert association.is_established, "\n".join(self.log[-20:])
        try:
            yield association
            assert association.is_established, "\n".join(self.log[-20:])
            association.release()
        finally:
            if association.is_established:
                association.abort()

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if _name(int(one)) not in _OTHERS]

    def echoes(self) -> bool:
        """Whether it answers a C-ECHO on a new association."""
        with self.association((ECHO, IMPLICIT)) as association:
            return bool(association.send_c_echo().Status == 0x0000)

    def files(self) -> list[Path]:
        """The files of the tree."""
        return sorted((self.data / "tree").glob("*/*/*.dcm"))

    def incoming(self) -> list[Path]:
        """What lies in the folder for files being received."""
        return sorted((self.data / "incoming").iterdir())

    def path(self, data_set: Dataset) -> Path:
        """Where a data set lies in the tree."""
        uids = (data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID)
        return self.data.joinpath("tree", *uids[:2], f"{uids[2]}.dcm")


def _module_of(name: str) -> str:
    """The module that a constant is of: what comes after that may be a class."""
    root, parts = Path(__file__).parent.parent, name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        if root.joinpath(*parts[:count]).with_suffix(".py").exists():
            return ".".join(parts[:count])
    raise ValueError(f"{name}: of no module")


StartNode = Callable[..., RunningNode]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:  # it has ended
        return ""


@contextmanager
def running_node(folder: Path, tables: Tables | None = None) -> Iterator[RunningNode]:
    """A node that ends with the block: by itself, with exit code 0 and without a bug in the log."""
    folder.mkdir(exist_ok=True)
    node = RunningNode(folder, tables)
    try:
        yield node.start()
        if node.is_running:
            assert node.stop() == 0, "\n".join(node.log[-50:])
        assert not node.bugs(), "\n".join(node.bugs())
        assert node.incoming() == []
    finally:
        if node.is_running:
            node.kill()


# ---- clients


def dcmtk(command: str) -> str:
    """The path of a DCMTK client; pynetdicom installs scripts of the same names into a venv."""
    own = Path(sys.executable).parent
    folders = [name for name in os.environ["PATH"].split(os.pathsep) if Path(name) != own]
    found = shutil.which(command, path=os.pathsep.join(folders))
    assert found, f"{command} is not on PATH: install DCMTK"
    return found


@dataclass(frozen=True)
class Address:
    """Whom a client calls, where it is not the node."""

    title: str
    port: int


def client(
    command: str,
    node: RunningNode | Address,
    options: Iterable[str | Path] = (),
    files: Iterable[str | Path] = (),
    *,
    called: str = "",
    code: int = 0,
    cwd: Path | None = None,
) -> str:
    """Run one of DCMTK's clients against a node; what it printed. `code` is its exit code."""
    done = subprocess.run(
        [
            dcmtk(command), "-v", "-aec", called or node.title, *map(str, options),
            "127.0.0.1", str(node.port), *map(str, files),
        ],
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CLIENT_SECONDS,
        check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{output}"
    return output


def keys(**values: str) -> list[str]:
    """Matching keys as options of DCMTK's."""
    return [part for key, value in values.items() for part in ("-k", f"{key}={value}")]


def identifier(level: str | None, **values: Any) -> Dataset:
    """An identifier; level None leaves the Query/Retrieve Level out."""
    data_set = Dataset()
    if level is not None:
        data_set.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def store_request(
    sop_class: str, sop_instance: str, data_set: bytes, message_id: int = 1
) -> C_STORE:
    """A C-STORE request, whatever its UIDs look like."""
    request = C_STORE()
    request.MessageID = message_id
    request.Priority = 2
    request.AffectedSOPClassUID = UID(sop_class)
    # Past pynetdicom's check: it would not send an empty one.
    request._affected_sop_instance_uid = UID(sop_instance)
    request.DataSet = BytesIO(data_set)
    return request


def send(
    association: Association,
    sop_class: str,
    sop_instance: str,
    data_set: bytes,
    transfer_syntax: str = EXPLICIT,
    context_class: str = "",
) -> C_STORE:
    """C-STORE bytes as they are; the response. `context_class` where it is not the command's."""
    context = accepted(association, context_class or sop_class, transfer_syntax)
    with at_rest(association):
        association.dimse.send_msg(store_request(sop_class, sop_instance, data_set), context)
        response = next_message(association)
    assert isinstance(response, C_STORE), "no response, or the association was aborted"
    return response


def next_message(association: Association) -> Any:
    """The next DIMSE message, or None where the association has ended."""
    deadline = time.monotonic() + CLIENT_SECONDS
    while time.monotonic() < deadline:
        try:
            return association.dimse.msg_queue.get(timeout=0.1)[1]
        except queue.Empty:
            # Its end is announced only once, and pynetdicom's loop may have had the message.
            if association.acse.is_aborted() or not association.is_alive():
                return None
    return None


def offending_elements(response: Any) -> list[int]:
    """Offending Element (0000,0901), which may hold several."""
    value = response.OffendingElement
    return [int(tag) for tag in ([value] if isinstance(value, int) else value)]


def store_fragments(
    association: Association, sop_class: str, sop_instance: str, data_set: bytes
) -> tuple[list[Any], list[Any]]:
    """The P-DATA primitives of a C-STORE in PDUs of 4 KiB: the first half, and the rest."""
    message = C_STORE_RQ()
    message.primitive_to_message(store_request(sop_class, sop_instance, data_set))
    context = accepted(association, sop_class, EXPLICIT)
    fragments = list(message.encode_msg(context, 4096))
    assert len(fragments) > 3
    return fragments[: len(fragments) // 2], fragments[len(fragments) // 2 :]


def accepted(association: Association, sop_class: str, transfer_syntax: str) -> int:
    """The ID of the presentation context that was accepted for both."""
    for context in association.accepted_contexts:
        agreed = (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        if agreed == (sop_class, transfer_syntax):
            assert context.context_id
            return context.context_id
    raise AssertionError(f"no context for {sop_class} in {transfer_syntax}")


def _keep_responses(association: Association) -> None:
    """Make good a race of pynetdicom's.

    Its loop may still be running when a send_ method begins to wait, takes the response before
    it, and drops it; the method then waits for nothing.
    """
    serve = association._serve_request

    def serve_or_give_back(message: Any, context_id: int) -> None:
        if message.is_valid_request:
            serve(message, context_id)
            return
        messages = association.dimse.msg_queue
        with messages.mutex:
            messages.queue.appendleft((context_id, message))
            messages.not_empty.notify()

    association._serve_request = serve_or_give_back  # type: ignore[method-assign]


@contextmanager
def at_rest(association: Association) -> Iterator[None]:
    """Keep pynetdicom's loop from taking the response, as its own send_ methods do."""
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        if not association.is_alive():
            raise AssertionError("the association has ended")
    try:
        yield
    finally:
        association._reactor_checkpoint.set()


def find(
    association: Association, model: str, level: str | None, **values: Any
) -> tuple[list[Dataset], Dataset]:
    """C-FIND: the answers, and the final status."""
    answers = []
    for status, answer in association.send_c_find(identifier(level, **values), model):
        assert "Status" in status, "no response, or the association was aborted"
        if status.Status not in (0xFF00, 0xFF01):
            return answers, status
        assert answer is not None
        answers.append(answer)
    raise AssertionError("no final response")


@dataclass(frozen=True)
class Arrived:
    """An instance as a peer got it from the node."""

    sop_class_uid: str
    transfer_syntax_uid: str
    data_set: bytes
    message: C_STORE


@dataclass
class Inbox:
    """What arrived at a peer; `answer` is the status for everything, or for some instances."""

    arrived: list[tuple[str, Arrived]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    calling: list[str] = field(default_factory=list)

    def take(self, event: evt.Event) -> int:
        """Handle a C-STORE request."""
        request = event.request
        arrived = Arrived(
            str(request.AffectedSOPClassUID),
            str(event.context.transfer_syntax),
            request.DataSet.getvalue(),
            request,
        )
        self.arrived.append((str(request.AffectedSOPInstanceUID), arrived))
        return self.statuses.get(str(request.AffectedSOPInstanceUID), 0x0000)

    def take_all(self) -> dict[str, Arrived]:
        """What arrived since the last time, by SOP Instance UID; each once."""
        arrived, self.arrived = self.arrived, []
        by_uid = dict(arrived)
        assert len(by_uid) == len(arrived), "an instance came twice"
        return by_uid

    def data_sets(self) -> dict[str, bytes]:
        """The same, data sets alone."""
        return {uid: arrived.data_set for uid, arrived in self.take_all().items()}


@contextmanager
def destination(title: str, *sop_classes: str) -> Iterator[tuple[Inbox, int]]:
    """A storage SCP of pynetdicom's on a port of the kernel's choice: its inbox and its port.

    It takes `sop_classes` and all of the standard's, in any transfer syntax.
    """
    inbox = Inbox()
    entity = AE(title)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", ALL_TRANSFER_SYNTAXES)
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)

    def log_caller(event: evt.Event) -> None:
        inbox.calling.append(event.assoc.requestor.ae_title.strip())

    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, inbox.take), (evt.EVT_ESTABLISHED, log_caller)],
    )
    try:
        yield inbox, server.server_address[1]
    finally:
        server.shutdown()


def getting(
    inbox: Inbox, contexts: Sequence[tuple[str, str]], root: str = "STUDY"
) -> dict[str, Any]:
    """What `RunningNode.association` needs, beside GET[root], to retrieve into `inbox`."""
    classes = dict.fromkeys(uid for uid, _ in contexts if uid != GET[root])
    return {
        "ext_neg": [build_role(uid, scp_role=True) for uid in classes],
        "evt_handlers": [(evt.EVT_C_STORE, inbox.take)],
    }


@dataclass
class Retrieved:
    """The responses to a C-MOVE or C-GET: the final one, its identifier, and how many pended."""

    final: Dataset
    identifier: Dataset | None
    pending: list[Dataset]

    @property
    def status(self) -> int:
        """The final status."""
        return int(self.final.Status)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Completed, failed and warned sub-operations."""
        return (
            self.final.NumberOfCompletedSuboperations,
            self.final.NumberOfFailedSuboperations,
            self.final.NumberOfWarningSuboperations,
        )


def retrieved(responses: Iterable[tuple[Dataset, Dataset | None]]) -> Retrieved:
    """Wait for the final response of pynetdicom's send_c_move or send_c_get."""
    pending: list[Dataset] = []
    for status, data_set in responses:
        assert "Status" in status, "no response, or the association was aborted"
        if status.Status != 0xFF00:
            return Retrieved(status, data_set, pending)
        pending.append(status)
    raise AssertionError("no final response")


def found(node: RunningNode, study: str, series: str) -> list[str]:
    """The instances of a series that C-FIND finds, each once."""
    unique = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        rows, final = find(association, FIND["STUDY"], "IMAGE", SOPInstanceUID="", **unique)
    assert final.Status == 0x0000
    uids = sorted(str(row.SOPInstanceUID) for row in rows)
    assert len(set(uids)) == len(uids)
    return uids


def got(node: RunningNode, study: str) -> dict[str, bytes]:
    """The instances of a study as C-GET gives them."""
    inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with node.association(*contexts, **getting(inbox, contexts)) as association:
        query = identifier("STUDY", StudyInstanceUID=study)
        answer = retrieved(association.send_c_get(query, GET["STUDY"]))
    arrived = inbox.data_sets()
    assert (answer.status, answer.counts) == (0x0000, (len(arrived), 0, 0))
    return arrived


def minipacs(
    command: str, node: RunningNode, *options: str, seconds: float = CLIENT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """A command of ours, on the configuration of a node that may be running."""
    return subprocess.run(
        [sys.executable, "-m", "scp", command, "-c", str(node.config), *options],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False,
        timeout=seconds,
    )  # fmt: skip


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot pick one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- data sets


@dataclass(frozen=True)
class Sample:
    """A data set that ships inside pydicom, as bytes; the UIDs are the file meta's."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes

    @property
    def name(self) -> str:
        """The path inside pydicom's folder."""
        return self.path.relative_to(TEST_FILES).as_posix()

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, decoded."""
        return dcmread(self.path, force=True)

    @property
    def uids(self) -> tuple[str, str, str]:
        """The Study, Series and SOP Instance UID of the data set; empty where there is none."""
        keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        study, series, instance = (str(self.dataset.get(keyword, "")) for keyword in keywords)
        return study, series, instance


def samples() -> Iterator[Sample]:
    """Every file of pydicom's with a Part 10 header that names an instance."""
    for path in sorted(p for p in TEST_FILES.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            try:
                meta = part10.read(file)
            except DataSetError:
                continue
            data = file.read()
        if meta.sop_class_uid and meta.sop_instance_uid:
            yield Sample(
                path, meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, data
            )


def data_set_bytes(path: Path) -> bytes:
    """What lies behind the Part 10 header of a file."""
    with path.open("rb") as file:
        part10.read(file)
        return file.read()


def encoded(data_set: Dataset, implicit: bool = False) -> bytes:
    """A data set in Explicit or Implicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def ct(study: str, series: str, instance: str, **values: Any) -> Dataset:
    """A small CT instance; `values` by keyword, None leaves the attribute out."""
    held: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": instance,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "StudyDate": "20240131",
        "Modality": "CT",
        "InstanceNumber": "1",
        "Rows": 4,
        "Columns": 4,
        "PixelData": bytes(16),
        **values,
    }
    data_set = Dataset()
    for keyword, value in held.items():
        if value is not None:
            setattr(data_set, keyword, value)
    data_set["PixelData"].VR = "OW"
    return data_set
