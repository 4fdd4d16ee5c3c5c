"""`minipacs init` and `config`, the forms of the log, and what systemd gives and asks."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    ROOT,
    START_SECONDS,
    RunningNode,
    StartNode,
    free_port,
    program,
)

from scp.cli.app import COMMANDS
from scp.config.loader import load
from scp.config.schema import TABLES
from scp.runtime import systemd


def run(*given: object, answer: str = "") -> "subprocess.CompletedProcess[str]":
    done = program.run(*given, answer=answer)
    assert "Traceback" not in done.stderr
    return done


# ---- init


def test_a_configuration_is_written_after_a_few_questions(tmp_path: Path) -> None:
    path, port = tmp_path / "new" / "config.toml", free_port()
    done = run("init", "-c", path, answer=f"MY NODE\n127.0.0.1\n{port}\nheld\nn\n")
    assert done.returncode == 0, done.stderr
    settings = load(path)
    assert (settings.node.ae_title, settings.node.port) == ("MY NODE", port)
    assert settings.storage.path == path.parent / "held"
    assert not settings.access.any_peer
    with_defaults = [name for name in TABLES if name not in ("node", "storage", "access")]
    for name in with_defaults:
        assert getattr(settings, name) == getattr(load(ROOT / "config.toml"), name)


@pytest.mark.parametrize("name", ["é山", "\N{GRINNING FACE}", 'a "b" \\ c', "\x7f"])
def test_a_folder_of_any_name_is_written_as_toml_has_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.toml"
    done = run("init", "-y", "--port", free_port(), "--path", name, "-c", path)
    assert done.returncode == 0, done.stderr
    assert load(path).storage.path == tmp_path / name


def test_every_key_is_there_with_what_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert run("init", "-y", "--port", free_port(), "-c", path).returncode == 0
    text = path.read_text()
    for name, table in TABLES.items():
        for key, field in table.model_fields.items():
            line = rf"^(# )?{field.alias or key} = .*# {re.escape(field.description or '')}$"
            assert re.search(line, text, re.M), (name, key)
    assert tomllib.loads(text)["node"]["ae_title"] == "MINIPACS"


def test_the_node_runs_with_what_was_written(tmp_path: Path) -> None:
    node = RunningNode(tmp_path)
    node.config.unlink()
    port = free_port()
    assert run("init", "-y", "--port", port, "-c", node.config).returncode == 0
    node.start()
    try:
        assert node.port == port
        assert node.echoes()
        assert node.stop() == 0
    finally:
        if node.is_running:
            node.kill()


def test_nothing_is_written_where_something_will_not_do(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = {
            f"cannot listen on 127.0.0.1:{taken.getsockname()[1]}":
                ("--port", taken.getsockname()[1]),
            "[node] ae_title: takes an AE title": ("--ae-title", "A" * 17, "--port", free_port()),
            "[storage] path: /proc/1/x": ("--path", "/proc/1/x", "--port", free_port()),
            "[node] port: takes an integer": ("--port", 70000),
        }  # fmt: skip
        for words, options in wrong.items():
            done = run("init", "-y", "-c", path, *options)
            assert done.returncode == 2, words
            assert f"minipacs: {path}: " in done.stderr
            assert words in done.stderr
    done = run("init", "-c", path, answer="MY")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "minipacs: nobody answers: without a terminal it takes --yes", "minipacs: nothing written",
    ]  # fmt: skip
    assert not path.exists()
    path.write_text("mine")
    done = run("init", "-y", "-c", path, "--port", free_port())
    assert (done.returncode, path.read_text()) == (2, "mine")
    assert "exists; --force writes over it" in done.stderr
    assert run("init", "-y", "-c", path, "--port", free_port(), "--force").returncode == 0


def test_what_is_there_is_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    path, port = tmp_path / "config.toml", free_port()
    path.write_text("[node]\nport = mine")
    done = run("init", "-c", path, answer="MY\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}: exists; --force writes over it (it cannot be used as it is: " in done.stderr
    assert path.read_text() == "[node]\nport = mine"
    (tmp_path / "data" / "tree").mkdir(parents=True)
    done = run("init", "-y", "--force", "-c", path, "--port", port)
    assert f"{tmp_path / 'data'}: there is an archive already" in done.stdout
    written = path.read_text()
    done = run("init", "-y", "-c", path)
    assert done.returncode == 2
    assert f"(MINIPACS on 127.0.0.1:{port}, data in {tmp_path / 'data'})" in done.stderr
    assert path.read_text() == written


def test_what_is_opened_to_all_is_warned_of(tmp_path: Path) -> None:
    done = run("init", "-y", "--host", "0.0.0.0", "--port", free_port(), "-c", tmp_path / "c.toml")
    assert "warning: [node] host is 0.0.0.0" in done.stderr


# ---- config


def test_what_is_in_force_is_told_with_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[node]\nport = 4242\n[peers."CT 1"]\nfrom = ["10.0.0.0/8"]\nhost = "ct"\nport = 104\n'
        '[[forward]]\nto = ["CT 1"]\nquiet = 5\n'
    )
    lines = [re.split(r"  +", line) for line in run("config", "-c", path).stdout.splitlines()]
    told = {line[0]: line[1:] for line in lines}
    assert told["[node] port"] == ["4242", str(path)]
    assert told["[node] host"] == ["127.0.0.1", "default"]
    assert told["[peers.CT 1] from"] == ["['10.0.0.0/8']", str(path)]
    assert told["[peers.CT 1] sends"] == ["1", "default"]
    assert told["[[forward]] 1 to"] == ["['CT 1']", str(path)]
    assert told["[[forward]] 1 from"] == ["[]", "default"]
    rows = json.loads(run("config", "--json", "-c", path).stdout)
    assert {"key": "[node] port", "value": 4242, "from": str(path)} in rows
    assert len(rows) == len(lines)


def test_a_wrong_configuration_is_told_instead(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[node]\nport = 70000\n")
    done = run("config", "-c", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[node] port: takes an integer from 0 to 65535, not 70000" in done.stderr


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_commands(shell: str) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "scp"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "_MINIPACS_COMPLETE": f"source_{shell}"}, timeout=START_SECONDS,
    ).stdout  # fmt: skip
    assert "_MINIPACS_COMPLETE" in script


# ---- help


@pytest.mark.parametrize("command", ["pin", "unpin", "retain", "send"])
def test_help_names_the_tables_of_the_configuration(command: str) -> None:
    table = "[peers]" if command == "send" else "[retention]"  # and not what a colour would be
    assert table in run(command, "--help").stdout


# Loaded once: what is not the program's own, and what every command loads first.
_EACH_BY_ITSELF = """
import os, sys
import numpy, peewee, pydantic, pydicom, pynetdicom, rich.console, typer
import scp.cli, scp.config
for command in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.argv = ["minipacs", command, "--help"]
        from scp.cli import main
        main()
    print(f"<{command}: {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}>", flush=True)
"""


# Half a second each: those of a folder, which import much the same, stand for each other.
_STAND_FOR_OTHERS = {place.split(".")[0]: name for name, (place, _) in COMMANDS.items()}


@pytest.mark.parametrize(
    "commands",
    [[*_STAND_FOR_OTHERS.values()], pytest.param([*COMMANDS], marks=pytest.mark.long)],
    ids=["one of each folder", "all"],
)
def test_each_command_loads_all_that_it_needs_by_itself(commands: list[str]) -> None:
    """In a process of its own, in which no other has loaded anything."""
    done = subprocess.run(
        [sys.executable, "-c", _EACH_BY_ITSELF, *commands], cwd=ROOT, text=True,
        capture_output=True, check=False, timeout=START_SECONDS * len(commands),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout
    for command in commands:
        of_one, end, said = said.partition(f"<{command}: 0>\n")
        assert end, said
        assert f"minipacs {command}" in of_one


# ---- the log


def test_the_log_can_be_json_lines(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"log": {"format": "json"}})
    with subprocess.Popen(
        [sys.executable, "-m", "scp", "serve", "-c", str(node.config)], cwd=ROOT, text=True,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr
        line = ""
        while "listening on" not in line:
            line = json.loads(process.stderr.readline())["message"]
        node.port = int(line.rsplit(":", 1)[1])
        with node.association((ECHO, EXPLICIT), ae_title="CT1") as association:
            association.send_c_echo()
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=START_SECONDS)[1].splitlines()
    told = [json.loads(line) for line in rest]
    (opened,) = [one for one in told if one["message"].startswith("association opened")]
    assert (opened["peer"], opened["contexts"], opened["level"]) == ("CT1", 1, "INFO")
    assert opened["at"].endswith("+00:00")


def test_verbose_says_why_contexts_are_refused(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"peers": {"CT1": {"allow": ["store"]}}})
    with subprocess.Popen(
        [sys.executable, "-m", "scp", "serve", "-v", "-c", str(node.config)], cwd=ROOT, text=True,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr
        line = ""
        while not (found := re.search(r"listening on \S+:(\d+)$", line.strip())):
            line = process.stderr.readline()
        node.port = int(found[1])
        contexts = [(ECHO, EXPLICIT), (CT, EXPLICIT), (CT, "1.2.3"), ("1.2.840.10008.5.1.4.31",
                    EXPLICIT)]  # fmt: skip
        node.associate(*contexts, ae_title="CT1").release()
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=START_SECONDS)[1]
    for words in (
        "CT1 calls MINIPACS, takes PDUs of ",
        "Verification SOP Class: refused: `allow` under [peers] does not have its service",
        "context 3 CT Image Storage: accepted in Explicit VR Little Endian, to send",
        "refused: none of its transfer syntaxes is taken; offered 1.2.3 (unknown)",
        "Modality Worklist Information Model - FIND: refused: no service of this node",
    ):
        assert words in said, said


# ---- systemd


def started_with(node: RunningNode, door: socket.socket, name: str) -> subprocess.Popen[str]:
    """The node, given a socket of that name as systemd does."""
    command = [sys.executable, "-m", "scp", "serve", "-c", str(node.config)]
    program = (
        f"import os; os.dup2({door.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid());"
        f"os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES={name!r});"
        f"os.execv({command[0]!r}, {command!r})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True, stderr=subprocess.PIPE,
        pass_fds=(door.fileno(), *((3,) if door.fileno() == 3 else ())),
    )  # fmt: skip


def test_sockets_that_were_opened_before_are_taken(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"node": {"port": 1}})  # which it could not have
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with started_with(node, door, "dicom") as process:
            assert process.stderr
            line = ""
            while "listening on" not in line:
                line = process.stderr.readline()
                assert line, "it has ended"
            assert line.strip().endswith(f"listening on 127.0.0.1:{port}")
            node.port = port
            assert node.echoes()
            process.send_signal(signal.SIGTERM)
            assert process.wait(START_SECONDS) == 0


def test_a_socket_for_tls_that_no_port_is_set_for_is_no_start(tmp_path: Path) -> None:
    node = RunningNode(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        started_with(node, door, "tls") as process,
    ):
        _, told = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 2
    assert f"{node.config}: [tls] port: missing" in told
    assert "Traceback" not in told


def test_systemd_is_told_how_it_goes(tmp_path: Path) -> None:
    node = RunningNode(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(START_SECONDS)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(
            [sys.executable, "-m", "scp", "serve", "-c", str(node.config)], cwd=ROOT,
            env=environment, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            told = [manager.recv(4096).decode() for _ in range(2)]
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in told:
                told.append(manager.recv(4096).decode())
    assert told[0].startswith("READY=1\nSTATUS=listening on 127.0.0.1:")
    assert told[1] == "WATCHDOG=1"


def test_nothing_is_taken_that_is_another_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.inherited() == {}


def units(folder: Path, config: Path, code: int = 0) -> dict[str, str]:
    """What `init --systemd` writes for a configuration, by name."""
    if not config.exists():
        config.write_text('[node]\nhost = "0.0.0.0"\nport = 1104\n')
    done = run("init", "--systemd", folder / "units", "-c", config)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    return {path.name: path.read_text() for path in (folder / "units").iterdir()}


def test_the_units_are_of_this_installation_and_configuration(tmp_path: Path) -> None:
    config = tmp_path / "my config.toml"
    written = units(tmp_path, config)
    assert set(written) == {"minipacs.service", "minipacs.socket", "grafana.json"}
    program = str(Path(sys.prefix) / "bin" / "minipacs")
    program = f'"{program}"' if " " in program else program
    service = written["minipacs.service"]
    assert f'\nExecStart={program} serve --config "{config}"\n' in service
    assert f"\nReadWritePaths={tmp_path / 'data'}\n" in service
    assert "\nListenStream=0.0.0.0:1104\n" in written["minipacs.socket"]
    assert json.loads(written["grafana.json"])["panels"]
    # Nothing is written over.
    (tmp_path / "units" / "minipacs.socket").write_text("mine")
    assert units(tmp_path, config, code=2)["minipacs.socket"] == "mine"
    config.write_text('[node]\nport = "x"\n')
    assert run("init", "--systemd", tmp_path / "other", "-c", config).returncode == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not there")
def test_the_units_are_sound(tmp_path: Path) -> None:
    written = units(tmp_path, tmp_path / "config.toml")
    for name in ("minipacs.service", "minipacs.socket"):
        # Where it will be is not there, on a machine that tests.
        text = re.sub(r'^ExecStart=("[^"]*"|\S+)', "ExecStart=/bin/true", written[name], flags=re.M)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "minipacs.service")], text=True,
        capture_output=True, check=False, timeout=START_SECONDS,
    )  # fmt: skip
    assert (done.returncode, "minipacs" in done.stderr) == (0, False), done.stderr


def test_what_the_image_is_made_of_is_there(start_node: StartNode) -> None:
    text = (ROOT / "scripts" / "Containerfile").read_text().replace("\\\n", "")
    for line in re.findall(r"^COPY (.*)$", text, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    (written,) = re.findall(r"printf '(.*?)'", text)
    tables = tomllib.loads(written.encode().decode("unicode_escape"))
    assert tables["node"]["host"] == "0.0.0.0"
    assert tables.keys() <= TABLES.keys()
    assert start_node(metrics={"port": 0}).logged("metrics at")
