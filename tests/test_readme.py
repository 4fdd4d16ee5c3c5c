"""The session that the README shows, run as it stands there; and what else it claims of files."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import (
    CLIENT_SECONDS,
    TEST_FILES,
    RunningNode,
    dcmtk,
    free_port,
    minipacs,
    running_node,
)

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
_MARK = "@@ command"
# What differs from run to run.
_VARIES = [
    (re.compile(r"seconds=[0-9.]+"), "seconds=*"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:*"),
    (re.compile(r"study=2\.25\.\d+"), "study=*"),
    (re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +"), ""),
]


@dataclass
class Step:
    """A command of the session and what the README shows that it says."""

    command: str
    shown: list[str] = field(default_factory=list)


def blocks(title: str) -> list[list[str]]:
    """The lines of each fenced block in a section."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return [block.splitlines() for language, block in fenced if not language]


def steps(title: str = "A session") -> list[Step]:
    """The commands of a section, in their order; of the session those after the node's start."""
    found: list[Step] = []
    for block in blocks(title):
        for line in block if block[0].startswith("$ ") else []:
            if line.startswith("$ "):
                found.append(Step(line[2:]))
            elif found[-1].command.endswith("\\"):
                found[-1].command += f"\n{line}"
            else:
                found[-1].shown.append(line)
    assert (found[0].command == "./scripts/serve") == (title == "A session")
    return found[title == "A session" :]


def normal(line: str) -> str:
    for pattern, text in _VARIES:
        line = pattern.sub(text, line)
    return line.replace("\0", " ").rstrip()  # a terminal shows a UID's padding as nothing


def follows(shown: list[str], said: list[str]) -> str:
    """The first line of `shown` that does not come, in its order, in `said`; empty: all do."""
    rest = iter([normal(line) for line in said])
    for line in shown:
        if line != "[...]" and not any(normal(line) == other for other in rest):
            return line
    return ""


def run_script(lines: list[str], folder: Path, **environment: str) -> list[list[str]]:
    """What each command says; a line with the mark is in front of each."""
    tools = f"{Path(dcmtk('storescu')).parent}:{Path(sys.executable).parent}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, text=True, check=False, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CLIENT_SECONDS,
        env={**os.environ, **environment, "PATH": f"{tools}:{os.environ['PATH']}"},
    )  # fmt: skip
    return [part.splitlines()[1:] for part in done.stdout.split(_MARK)[1:]]


def run_session(node: RunningNode, port: int, folder: Path) -> list[list[str]]:
    """What each command says."""
    # Where it is after `./scripts/serve`.
    library = folder / ".venv" / "lib" / "python3" / "site-packages" / "pydicom" / "data"
    library.mkdir(parents=True)
    (library / "test_files").symlink_to(TEST_FILES)
    script = ["set +m"]
    for step in steps():
        command = step.command.replace("127.0.0.1 11112", f"127.0.0.1 {node.port}")
        command = command.replace("11113", str(port))
        script += [f"echo '{_MARK}'", command]
        if command.endswith("&"):  # the client that follows needs it
            script.append(f"until (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do :; done")
    script += ["kill %1", "wait"]
    return run_script(script, folder)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], list[str]]:
    """What the clients say, and what the node logs."""
    port = free_port()
    peers = {"WORKSTATION": {"host": "127.0.0.1", "port": port}}
    folder = tmp_path_factory.mktemp("session")
    with running_node(tmp_path_factory.mktemp("node"), {"peers": peers}) as node:
        said = run_session(node, port, folder)
        node.wait_for_log("got peer=GETSCU")
        node.stop()
        return said, list(node.log)


def test_the_session_has_all_its_steps() -> None:
    programs = [step.command.split()[0] for step in steps()]
    assert [name for name in programs if name.endswith("scu")] == [
        "echoscu", "storescu", "findscu", "findscu", "findscu", "movescu",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(steps())))
def test_each_command_of_the_session_says_what_is_shown(
    session: tuple[list[list[str]], list[str]], number: int
) -> None:
    said, step = session[0][number], steps()[number]
    assert follows(step.shown, said) == "", "\n".join(said)


def test_the_node_logs_what_is_shown(session: tuple[list[list[str]], list[str]]) -> None:
    (shown,) = [block for block in blocks("A session") if block[0].startswith("association ")]
    for line in shown:  # of clients that may end in another order
        assert follows([line], session[1]) == "", "\n".join(session[1])


# ---- find, fetch, export

WALK = "Find, fetch, export"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What each command of the walk says: one archive holds the studies of the session."""
    samples = TEST_FILES / "dicomdirtests"
    with running_node(tmp_path_factory.mktemp("bigpacs"), {"node": {"ae_title": "BIGPACS"}}) as big:
        peers = {"BIGPACS": {"host": "127.0.0.1", "port": big.port}}
        node = RunningNode(tmp_path_factory.mktemp("walk"), {"peers": peers})
        for to, folders in ((big, ["98892001"]), (node, ["77654033", "98892003"])):
            done = minipacs("import", to, *(str(samples / name) for name in folders))
            assert done.returncode == 0, done.stderr
        script = [line for step in steps(WALK) for line in (f"echo '{_MARK}'", step.command)]
        folder = tmp_path_factory.mktemp("work")
        said = run_script(script, folder, MINIPACS_CONFIG=str(node.config))
        assert len(list((folder / "pilots").rglob("*.dcm"))) == 6
        assert "Manufacturer" in (folder / "report.txt").read_text()
        return said


@pytest.mark.parametrize("number", range(len(steps(WALK))))
def test_each_command_of_the_walk_says_what_is_shown(walk: list[list[str]], number: int) -> None:
    assert len(walk) == len(steps(WALK))
    assert follows(steps(WALK)[number].shown, walk[number]) == "", "\n".join(walk[number])


# ---- a worklist

TOLD = "A worklist"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What each command of its section says."""
    with running_node(tmp_path_factory.mktemp("worklist"), {"worklist": {}}) as node:
        script = []
        for step in steps(TOLD):
            command = step.command.replace("127.0.0.1 11112", f"127.0.0.1 {node.port}")
            script += [f"echo '{_MARK}'", command]
        folder = tmp_path_factory.mktemp("work")
        return run_script(script, folder, MINIPACS_CONFIG=str(node.config))


@pytest.mark.parametrize("number", range(len(steps(TOLD))))
def test_each_command_on_the_worklist_says_what_is_shown(
    told: list[list[str]], number: int
) -> None:
    assert len(told) == len(steps(TOLD))
    assert follows(steps(TOLD)[number].shown, told[number]) == "", "\n".join(told[number])


def programs() -> list[str]:
    """Those in Python that it shows."""
    section = README.split("\n## From Python\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def test_the_program_reads_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = RunningNode(tmp_path, {})
    done = minipacs("import", node, str(TEST_FILES / "dicomdirtests" / "98892003"))
    assert done.returncode == 0, done.stderr
    program, _ = programs()
    found: dict[str, Any] = {}
    monkeypatch.chdir(node.data.parent)
    exec(program, found)
    assert capsys.readouterr().out.splitlines() == [
        "98890234 Carotids", "98890234 Brain", "98890234 Brain-MRA",
    ]  # fmt: skip
    assert found["header"].PatientName == "Doe^Peter"
    assert found["shapes"]
    assert all(len(shape) == 2 for shape in found["shapes"])


# A program that sends, once more where the archive is out of resources.
_PROGRAM = """
from pynetdicom import AE

class my_program:
    def send(path, host, port, title):
        entity = AE()
        entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
        association = entity.associate(host, port, ae_title=title)
        statuses = [association.send_c_store(path).Status for _ in range(2)]
        association.release()
        return statuses == [0xA700, 0x0000]
"""


def test_the_test_of_a_program_passes(tmp_path: Path) -> None:
    _, shown = programs()
    (tmp_path / "test_program.py").write_text(_PROGRAM + shown)
    shutil.copy(TEST_FILES / "CT_small.dcm", tmp_path / "ct.dcm")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        timeout=CLIENT_SECONDS,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
