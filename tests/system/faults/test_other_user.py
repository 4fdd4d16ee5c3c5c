"""A node without rights, and an administrator beside it: whose the files are, and what if not."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    FIND,
    ROOT,
    RunningNode,
    ct,
    encoded,
    find,
    program,
    send,
    toml,
)
from support.machine import other_user
from support.machine.other_user import OWNER, STRANGER, give, open_folder, python_as

from storage import prepare
from storage.diagnostics.errors import FolderError
from storage.files.disk.rights import why_not

pytestmark = pytest.mark.skipif(bool(other_user.why_not()), reason=other_user.why_not())
# Everywhere there, and nobody's.
ACCOUNT = pwd.getpwnam("daemon")
UIDS = "1.2", "1.2.3"


def run(
    config: Path, *arguments: str, python: list[str] | None = None, code: int = 0, home: Path = ROOT
) -> str:
    """What a command says, all of it; run by root, unless by another user's Python."""
    if python is None:
        done = program.run(*arguments, "-c", config, cwd=home)
    else:
        done = subprocess.run(
            [*python, "-m", "scp", *arguments, "-c", str(config)], cwd=home,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            check=False, timeout=CLIENT_SECONDS,
        )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def store(node: RunningNode, number: int, study: str = "1.2") -> tuple[int, str]:
    """Status and Error Comment of a store."""
    data = encoded(ct(study, f"{study}.3", f"{study}.4.{number}"))
    with node.association((CT, EXPLICIT)) as association:
        answer = send(association, CT, f"{study}.4.{number}", data)
    return answer.Status, str(getattr(answer, "ErrorComment", "") or "")


def answers(node: RunningNode) -> int:
    """How many studies a query finds."""
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        return len(find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2")[0])


@pytest.fixture
def node() -> Iterator[RunningNode]:
    """One that runs as ACCOUNT, and holds an instance."""
    with open_folder() as folder:
        (folder / "data").mkdir(mode=0o700)
        give(folder / "data", ACCOUNT.pw_uid)
        os.chown(folder / "data", ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        node = RunningNode(folder, {"metrics": {"port": 0}})
        node.python = python_as(ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        node.constants["scp.runtime.heartbeat.BEAT_SECONDS"] = 1.0
        try:
            node.start()
            assert store(node, 0) == (0, "")
            yield node
            if node.is_running:
                assert node.stop() == 0, node.log[-30:]
            assert not node.bugs(), node.bugs()
        finally:
            if node.is_running:
                node.kill()


def others(data: Path) -> list[Path]:
    """What in a data folder is not ACCOUNT's."""
    whose = ACCOUNT.pw_uid, ACCOUNT.pw_gid
    return [
        one for one in (data, *data.rglob("*")) if (one.stat().st_uid, one.stat().st_gid) != whose
    ]


def test_what_root_does_beside_the_node_is_the_nodes(node: RunningNode, tmp_path: Path) -> None:
    """`tmp_path` is root's alone: sources are read there, and nothing can be written."""
    source = tmp_path / "source.dcm"
    held = node.files()[0]
    source.write_bytes(held.read_bytes().replace(b"1.2.4.0", b"1.2.4.9"))
    assert "stored=1" in run(node.config, "import", str(source))
    study = "--study", "1.2"
    for command in (
        ("correct", *study, "StudyDescription=A", "--yes"), ("pin", *study),
        ("delete", "--instance", "1.2.4.9", "--yes"), ("restore", *study), ("rebuild",),
    ):  # fmt: skip
        run(node.config, *command)
    assert others(node.data) == []
    node.config.chmod(0o600)
    node.reload(f"the old one stays: {node.config}: cannot be read: Permission denied")
    node.config.chmod(0o644)
    node.reload()
    assert store(node, 1) == (0, "")
    assert store(node, 1, "1.7") == (0, "")
    assert node.stop() == 0
    node.start()
    assert store(node, 2) == (0, "")
    assert answers(node) == 1
    assert "faults=0" in run(node.config, "check")
    told = run(node.config, "history")
    assert f"  {os.environ.get('LOGNAME') or os.environ.get('USER') or 'root'}  study 1.2" in told


def test_what_root_writes_elsewhere_is_written_as_the_owner(
    node: RunningNode, tmp_path: Path
) -> None:
    mine = node.folder / "mine"
    mine.mkdir()
    for command in (("backup",), ("export", "--study", "1.2")):
        for refused in (tmp_path / "of-root", mine / "new"):
            said = run(node.config, *command[:1], str(refused), *command[1:], code=2)
            (line,) = said.splitlines()
            assert f"{refused}: " in line
            assert f"works as daemon, whose {node.data} is" in line
            assert f"install -d -o daemon {refused}" in line
            assert not refused.exists()
    for command in (("backup",), ("export", "--study", "1.2")):
        target = node.folder / command[0]
        target.mkdir()
        os.chown(target, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        run(node.config, *command[:1], str(target), *command[1:])
        assert {one.stat().st_uid for one in target.rglob("*")} == {ACCOUNT.pw_uid}


def test_who_may_not_work_there_is_told_as_whom_to() -> None:
    """By an owner without an account, weak root, a stranger, and a node of root's."""
    with open_folder() as folder:
        data, config = folder / "data", folder / "config.toml"
        config.write_text(toml({"node": {"port": 0}}))
        (data / "tree").mkdir(parents=True)

        def refused(*arguments: str, python: list[str] | None = None, home: Path = ROOT) -> str:
            before = sorted(data.rglob("*"))
            (line,) = run(config, *arguments, python=python, code=2, home=home).splitlines()
            assert line.startswith(f"minipacs: {config}: [storage] path: {data}")
            assert sorted(data.rglob("*")) == before
            return line

        give(data, OWNER)
        line = refused("check")
        assert f"belongs to uid {OWNER}, not to root" in line
        assert f"sudo -u '#{OWNER}' minipacs" in line
        assert f"belongs to uid {OWNER}, not to root" in refused("serve")
        # Who has no account works there all the same.
        run(config, "import", str(config), python=python_as(OWNER), home=folder)
        assert f'"user":"uid {OWNER}"' in (data / "audit" / "audit.jsonl").read_text()
        give(data, ACCOUNT.pw_uid)
        weak = ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid", sys.executable]
        assert "CAP_SETUID" in refused("stats", python=weak)
        assert "run it as daemon, `sudo -u daemon minipacs ...`" in refused("serve")
        data.chmod(0o777)  # could write there, and would leave what the node cannot use
        for command in (("import", str(folder)), ("serve",)):
            line = refused(*command, python=python_as(STRANGER), home=folder)
            if command != ("serve",):
                assert f"belongs to daemon, not to uid {STRANGER}: run it as daemon" in line
        data.chmod(0o700)
        refused("stats", python=python_as(STRANGER), home=folder)
        give(data, 0)
        line = refused("stats", python=python_as(STRANGER), home=folder)
        assert "run it as root, `sudo minipacs" in line


# What lies in the way of a node, made so, and what is said of it.
_NOWHERE = "a symbolic link that leads nowhere: make what it leads to"
ODD: dict[str, tuple[str, str]] = {
    "data": ("file", "not a folder: move it away"),
    "data/tree": ("file", "not a folder: move it away"),
    "data/journal": ("file", "not a folder: move it away"),
    "data/lock": ("folder", "not a file: move it away"),
    "data/index.sqlite": ("pipe", "not a file: move it away"),
    "data/journal/receipts.jsonl": ("folder", "not a file: move it away"),
    "data/journal/pins.jsonl": (
        "link",
        "a symbolic link that leads nowhere: make what it leads to",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_lies_in_the_way_is_named(tmp_path: Path, name: str) -> None:
    kind, words = ODD[name]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make = {"file": path.touch, "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}
    make.get(kind, lambda: path.symlink_to(tmp_path / "nowhere"))()
    with pytest.raises(FolderError) as refused:
        prepare(tmp_path / "data", sync=True, charset="")
    assert str(refused.value) == f"{path}: {words}"


def test_a_folder_that_is_a_link_to_nothing_is_not_made(tmp_path: Path) -> None:
    for target in ("nowhere", "data"):
        (tmp_path / "data").symlink_to(tmp_path / target)
        assert why_not(tmp_path / "data").endswith("leads nowhere: make what it leads to")
        (tmp_path / "data").unlink()


# What is root's for a while, and whether a store goes on meanwhile: where it is A700, with words.
TAKEN = {
    "journal/receipts.jsonl": "The journal cannot be written: receipts.jsonl: Permission denied",
    "journal/corrected": "",
    "journal": "The journal cannot be written: journal: Permission denied, owner",
    "lock": "Cannot lock: lock: Permission denied, owner root",
    "index.sqlite": "The index cannot be written: attempt to write a readonly databas",
}


def test_whatever_files_are_roots_the_node_lives_and_says_so(node: RunningNode) -> None:
    run(node.config, "correct", "--study", "1.2", "StudyDescription=A", "--yes")
    ready = node.wait_for_log("metrics at").split(" at ")[1].split("/metrics")[0] + "/readyz"
    (supervisor,) = [node.process.pid]
    for name, words in TAKEN.items():
        path, mark = node.data / name, node.mark()
        made = not path.exists()
        if made:
            path.write_text("")
        os.chown(path, 0, 0)
        held = path.stat().st_mode & 0o777
        path.chmod(0o644 if name == "index.sqlite" else held & 0o700)
        # One that has nothing open yet; and with it the supervisor looks around.
        (worker,) = node.workers
        os.kill(worker, signal.SIGKILL)
        _until(lambda gone=worker: node.workers not in ([gone], []))
        node.wait_for_log("the data folder cannot be used", str(path), after=mark)
        assert store(node, 1, f"1.2.{len(words)}" if not words else "1.2") == (
            (0xA700, words) if words else (0, "")
        ), name
        assert answers(node) == 1, name
        with pytest.raises(HTTPError) as not_ready:
            urlopen(ready, timeout=CLIENT_SECONDS)
        said = not_ready.value.read().decode()
        assert str(path) in said
        assert "daemon" in said
        os.chown(path, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        path.chmod(held)
        if made:
            path.unlink(missing_ok=True)
        node.wait_for_log("the data folder cannot be used: no longer", after=mark)
        assert len(node.logged("the data folder cannot be used: /", after=mark)) == 1
        assert store(node, len(name), "1.7") == (0, ""), name
        assert answers(node) == 1
    assert node.process.pid == supervisor
    assert node.is_running


def _until(holds: "object") -> None:
    deadline = time.monotonic() + CLIENT_SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_start_and_a_check_name_the_file_and_what_to_do(node: RunningNode) -> None:
    assert node.stop() == 0
    path = node.data / "journal" / "receipts.jsonl"
    os.chown(path, 0, 0)
    python = python_as(ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    for command in (("serve",), ("import", "/")):
        (line,) = run(node.config, *command, python=python, code=2, home=node.folder).splitlines()
        assert f"{path}: cannot be read by daemon, root's with the rights -rw-------" in line
        assert f"`chown -R daemon: {node.data}`" in line
    said = run(node.config, "check", "--json", code=1)
    assert f'"path": "{path}"' in said
    assert '"kind": "rights"' in said
    os.chown(path, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    (held,) = node.files()
    os.chown(held, 0, 0)
    os.chown(held.parent, 0, 0)
    held.parent.chmod(0o755)
    for user in (python, None):
        said = run(node.config, "check", python=user, code=1, home=node.folder)
        assert f"{held.parent}: cannot be written by daemon" in said
        assert f"{held}: cannot be read" in said
        assert "faults=2" in said
    give(node.data, ACCOUNT.pw_uid)
    for one in (node.data, *node.data.rglob("*")):
        os.chown(one, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    node.start()
    assert store(node, 1) == (0, "")


def test_a_volume_of_roots_is_served_by_who_made_the_tree() -> None:
    """As Kubernetes mounts them: the folder is root's and the group's, and the rest the node's."""
    with open_folder() as folder:
        data = folder / "data"
        data.mkdir()
        os.chown(data, 0, ACCOUNT.pw_gid)
        data.chmod(0o2775)
        node = RunningNode(folder)
        node.python = python_as(ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        try:
            node.start()
            assert store(node, 0) == (0, "")
            run(node.config, "correct", "--study", "1.2", "StudyDescription=A", "--yes")
            assert {one.stat().st_uid for one in data.rglob("*")} == {ACCOUNT.pw_uid}
            assert store(node, 1) == (0, "")
            assert node.stop() == 0
        finally:
            if node.is_running:
                node.kill()
