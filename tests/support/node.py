"""A node, started as a user starts it."""

import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from scp.testing import NodeProcess
from support.clients import keep_responses, take_late_rejection
from support.names import CLIENT_SECONDS, ECHO, IMPLICIT, ROOT, Context, Tables
from support.program import Program, run

# Processes of the node that are no workers.
_OTHERS = ("metrics", "forwarder", "catalogue", "orders", "worklist", "metadata", "upkeep")
# What a node never says, whatever its peers send.
_BUGS = (
    "Traceback",
    "Internal error",
    " request failed peer=",
    "association broken",
    "did not start",
)
_KEPT_PORTS: list[socket.socket] = []


# Sets a constant, also where a module that has imported it holds it by its name.
_PUT = """
def put(owner, name, value):
    import sys
    held = getattr(owner, name)
    setattr(owner, name, value)
    for module in list(sys.modules.values()):
        is_ours = module.__name__.split(".")[0] in ("scp", "storage")
        if is_ours and vars(module).get(name) is held:
            setattr(module, name, value)
"""


class Code:
    """Code as the value of a constant of the program, see `RunningNode.constants`."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __repr__(self) -> str:
        return self._code


class RunningNode(NodeProcess):
    """A node, forked from a process that has imported the program; it has no faults in front."""

    def __init__(self, folder: Path, tables: Tables | None = None) -> None:
        super().__init__(folder, tables)
        # Of the program's modules, where a test cannot wait for so long: name -> value.
        self.constants: dict[str, object] = {}
        # What runs it, where it is not to be forked from what has imported it already.
        self.python: list[str] = []

    def _process(self, log: int) -> "Program | subprocess.Popen[bytes]":
        arguments = ["serve", "-c", str(self.config)]
        code = self.code()
        if not self.python:
            return Program(*arguments, code=code, stderr=log, new_session=True)
        return subprocess.Popen(
            [*self.python, *(["-c", code] if code else ["-m", "scp"]), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )

    def code(self) -> str:
        """What sets the constants and is the program then; empty where none is set."""
        if not self.constants:
            return ""
        modules = {_module_of(name) for name in self.constants}
        lines = [f"import {module}" for module in sorted(modules)]
        for name, value in self.constants.items():
            owner, attribute = name.rsplit(".", 1)
            lines.append(f"put({owner}, {attribute!r}, {value!r})")
        return "\n".join([_PUT, *lines, "from scp.cli import main", "main()"])

    def bugs(self, after: int = 0) -> list[str]:
        """The first line that tells of a bug, and those behind it."""
        for number, line in enumerate(self.log[after:], after):
            if any(words in line for words in _BUGS):
                return self.log[number : number + 30]
        return []

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
        take_late_rejection(association)
        keep_responses(association)
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
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:count])
        if path.with_suffix(".py").exists() or path.is_dir():
            return ".".join(parts[:count])
    raise ValueError(f"{name}: of no module")


StartNode = Callable[..., RunningNode]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:  # it has ended
        return ""


@contextmanager
def running_node(
    folder: Path, tables: Tables | None = None, constants: Mapping[str, object] | None = None
) -> Iterator[RunningNode]:
    """A node that ends with the block: by itself, with exit code 0 and without a bug in the log."""
    folder.mkdir(exist_ok=True)
    node = RunningNode(folder, tables)
    node.constants |= constants or {}
    try:
        yield node.start()
        if node.is_running:
            assert node.stop() == 0, "\n".join(node.log[-50:])
        assert not node.bugs(), "\n".join(node.bugs())
        assert node.incoming() == []
    finally:
        if node.is_running:
            node.kill()


def minipacs(
    command: str, node: RunningNode, *options: str, answer: str = "",
    seconds: float = CLIENT_SECONDS,
) -> "subprocess.CompletedProcess[str]":  # fmt: skip
    """A command of ours, on the configuration of a node that may be running."""
    return run(command, "-c", node.config, *options, answer=answer, seconds=seconds)


def free_port() -> int:
    """A port for a program that cannot pick one itself; nobody else is given it meanwhile.

    It stays bound here, without listening: connections to it are refused, the system gives it to no
    other socket, and a program that sets SO_REUSEADDR, as DCMTK's do, may listen on it.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _KEPT_PORTS.append(kept)
    return int(kept.getsockname()[1])
