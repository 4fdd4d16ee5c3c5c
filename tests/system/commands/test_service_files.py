"""`minipacs init --systemd`: what differs in the units from site to site."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, START_SECONDS, program
from support.network.certificates import Authority

from scp.cli.commands.node import units as service_units
from scp.config.loader import ConfigError, load

SHIPPED = ("minipacs.service", "minipacs.socket", "grafana.json")


def unit(path: Path) -> ConfigParser:
    """A unit; of a key that it has more than once the last."""
    parser = ConfigParser(interpolation=None, strict=False, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def written(tmp_path: Path, text: str, name: str = "config.toml") -> dict[str, ConfigParser]:
    """The units for a configuration of this text."""
    config = tmp_path / name
    config.write_text(text)
    names = service_units.write(tmp_path / "units", load(config))
    return {name: unit(tmp_path / "units" / name) for name in names if name != "grafana.json"}


def test_units_and_dashboard_are_written_for_a_configuration(tmp_path: Path) -> None:
    config, units = tmp_path / "config.toml", tmp_path / "units"
    config.write_text("# mine\n[node]\nport = 104\n")  # which need not be free
    done = program.run("init", "--systemd", units, "-c", config)
    assert done.returncode == 0, done.stderr
    assert config.read_text() == "# mine\n[node]\nport = 104\n"
    assert {path.name for path in units.iterdir()} == set(SHIPPED)
    service = unit(units / "minipacs.service")["Service"]
    command = str(Path(sys.executable).with_name("minipacs"))
    quoted = f'"{command}"' if " " in command else command
    assert service["ExecStart"] == f"{quoted} serve --config {config}"
    assert service["ReadWritePaths"] == str(tmp_path / "data")
    assert unit(units / "minipacs.socket")["Socket"]["ListenStream"] == "127.0.0.1:104"
    shipped = (ROOT / "scripts" / "grafana.json").read_text()
    assert json.loads((units / "grafana.json").read_text()) == json.loads(shipped)
    assert "systemctl enable --now minipacs.service minipacs.socket" in done.stdout


@pytest.mark.parametrize("option", [("--host", "::1"), ("--port", "104"), ("--force",)])
def test_what_would_be_passed_over_is_refused(tmp_path: Path, option: tuple[str, ...]) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    done = program.run("init", *option, "--systemd", tmp_path / "units", "-c", config)
    assert done.returncode == 2
    assert "--systemd takes a configuration as it is" in done.stderr
    assert not (tmp_path / "units").exists()


@pytest.mark.parametrize("name", [*SHIPPED, "minipacs-tls.socket"])
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    config, units = tmp_path / "config.toml", tmp_path / "units"
    config.write_text("")
    units.mkdir()
    (units / name).symlink_to("gone")
    done = program.run("init", "-y", "--systemd", units, "-c", config)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{units / name}: exists; move it away, or name another folder" in done.stderr
    assert os.listdir(units) == [name]


def test_of_what_cannot_be_written_whole_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(path: Path, *given: Any, **named: Any) -> object:
        if path.name == "grafana.json" and given == ("x",):
            raise OSError(28, "No space left on device", str(path))
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ConfigError, match=r"grafana\.json: No space left on device"):
        written(tmp_path, "")
    assert os.listdir(tmp_path / "units") == []


@pytest.mark.parametrize(("host", "listens"), [
    ("0.0.0.0", "0.0.0.0:104"), ("::", "[::]:104"), ("::1", "[::1]:104"),
    ("10.1.2.3", "10.1.2.3:104"),
])  # fmt: skip
def test_the_socket_is_where_the_configuration_says(
    tmp_path: Path, host: str, listens: str
) -> None:
    units = written(tmp_path, f'[node]\nhost = "{host}"\nport = 104\n')
    assert units["minipacs.socket"]["Socket"]["ListenStream"] == listens


def test_a_port_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[node]\nport = 0\n")
    done = program.run("init", "--systemd", tmp_path / "units", "-c", config)
    assert done.returncode == 2
    assert f"{config}: [node] port: is 0; --systemd takes one to listen on" in done.stderr


def test_a_name_is_looked_up_as_systemd_does_not(tmp_path: Path) -> None:
    units = written(tmp_path, '[node]\nhost = "localhost"\nport = 104\n')
    assert units["minipacs.socket"]["Socket"]["ListenStream"] in ("127.0.0.1:104", "[::1]:104")
    config = tmp_path / "config.toml"
    config.write_text('[node]\nhost = "nobody.invalid"\n')
    with pytest.raises(ConfigError, match=r"config\.toml: \[node\] host: nobody\.invalid: "):
        service_units.write(tmp_path / "others", load(config))


def test_a_port_of_tls_has_a_socket_of_its_own(tmp_path: Path) -> None:
    table = Authority(tmp_path, "authority", 1).table(
        Authority(tmp_path, "other", 2).sign("node"), port=2762
    )
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    units = written(tmp_path, f"[tls]\n{lines}\n")
    both = "minipacs.socket minipacs-tls.socket"
    assert units["minipacs.service"]["Unit"]["Requires"] == both
    assert units["minipacs.service"]["Unit"]["After"] == f"network-online.target {both}"
    secure = units["minipacs-tls.socket"]["Socket"]
    assert (secure["FileDescriptorName"], secure["ListenStream"], secure["Service"]) == (
        "tls", "127.0.0.1:2762", "minipacs.service",
    )  # fmt: skip
    assert units["minipacs.socket"]["Socket"]["FileDescriptorName"] == "dicom"


@pytest.mark.parametrize(("path", "paths"), [
    ("/var/lib/minipacs/data", None), ("/srv/dicom", "/srv/dicom"),
    ("/var/lib/minipacs/../images", "/var/lib/images"), ("/srv/a b%", '"/srv/a b%%"'),
])  # fmt: skip
def test_the_service_may_write_where_the_archive_is(
    tmp_path: Path, path: str, paths: str | None
) -> None:
    units = written(tmp_path, f'[storage]\npath = "{path}"\n')
    assert units["minipacs.service"]["Service"].get("ReadWritePaths") == paths


def test_the_service_may_write_the_audit_trail_elsewhere(tmp_path: Path) -> None:
    units = written(
        tmp_path,
        '[storage]\npath = "/var/lib/minipacs/data"\n[audit]\npath = "/srv/audit/trail.jsonl"\n',
    )
    assert units["minipacs.service"]["Service"]["ReadWritePaths"] == "/srv/audit"


def test_a_home_that_the_service_needs_is_not_hidden_from_it(tmp_path: Path) -> None:
    units = written(tmp_path, '[storage]\npath = "/home/me/images"\n')
    assert units["minipacs.service"]["Service"]["ProtectHome"] == "read-only"
    said = service_units.warnings(load(tmp_path / "config.toml"))
    assert "/home/me/images is in a home: minipacs must be able to enter and read it" in said


def test_what_the_service_would_not_see_is_said(tmp_path: Path) -> None:
    written(tmp_path, '[storage]\npath = "/tmp/images"\n')
    said = service_units.warnings(load(tmp_path / "config.toml"))
    assert any(words.startswith("/tmp/images is not seen by the service") for words in said)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have files of two users")
@pytest.mark.parametrize(("owner", "user", "step"), [
    (0, "minipacs", "chown -R minipacs: {data}"), (1, "daemon", None), (54321, "54321", None),
])  # fmt: skip
def test_the_service_runs_as_whose_the_archive_is(
    tmp_path: Path, owner: int, user: str, step: str | None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, owner, owner)
    units = written(tmp_path, "")
    assert units["minipacs.service"]["Service"]["User"] == user
    steps = service_units.steps(tmp_path / "units", load(tmp_path / "config.toml"))
    changed = [one for one in steps if one.startswith(("chown", "install"))]
    assert changed == ([step.format(data=data)] if step else [])


def test_without_a_command_beside_it_the_interpreter_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    command = written(tmp_path, "")["minipacs.service"]["Service"]["ExecStart"]
    assert command.startswith(f"{tmp_path}/python3 -P -m scp serve ")


def test_a_name_that_no_unit_can_have_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "a\nb.toml"
    config.write_text("")
    done = program.run("init", "--systemd", tmp_path / "units", "-c", config)
    assert done.returncode == 2
    assert "has what a unit of systemd cannot" in done.stderr
    assert not (tmp_path / "units").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not there")
@pytest.mark.parametrize("name", ["config.toml", 'a "b" %n $HOME \\ c.toml'])
def test_what_is_written_is_sound(tmp_path: Path, name: str) -> None:
    path = 'path = "/srv/a \\"b\\" %n"\n'
    units = written(tmp_path, f"[storage]\n{path}", name)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "units" / "minipacs.service")], text=True,
        capture_output=True, check=False, timeout=START_SECONDS,
    )  # fmt: skip
    assert (done.returncode, "minipacs" in done.stderr) == (0, False), done.stderr
    told = units["minipacs.service"]["Service"]["ExecStart"].partition(" --config ")[2]
    if told.startswith('"'):
        told = re.sub(r"\\(.)", r"\1", told[1:-1])
    assert told.replace("%%", "%").replace("$$", "$") == str(tmp_path / name)


def test_what_is_no_code_comes_along_in_a_wheel() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        shipped = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    for top in ("scp", "storage"):
        for path in (ROOT / top).rglob("*"):
            if path.is_dir() or path.suffix in (".py", ".pyc", ".md"):
                continue
            taken = [
                path.relative_to(ROOT).match(f"{package.replace('.', '/')}/{one}")
                for package, globs in shipped.items()
                for one in globs
            ]
            assert any(taken), path


@pytest.mark.parametrize("name", SHIPPED)
def test_there_is_one_of_each(name: str) -> None:
    there = ROOT / "scp" / "cli" / "commands" / "node" / "service"
    assert (ROOT / "scripts" / name).resolve().parent == there
