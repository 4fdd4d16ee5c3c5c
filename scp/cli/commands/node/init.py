"""`minipacs init`: a configuration, after a few questions.

It is written as text, since all in it comes from the schema: tomlkit is for files that are changed
and keep their comments, as by `minipacs peers add`.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticUndefined

from scp.cli.commands.node import units
from scp.cli.options import DEFAULT_CONFIG, Commands, ConfigPath, failure
from scp.cli.output import answer, plain_value, say
from scp.config import TABLES, ConfigError, Settings, Table, loader
from scp.runtime import bound
from storage.diagnostics import FolderError
from storage.files import require_known

app = Commands()

_WIDTH = 28  # of a key and its value, before the comment


@app.command()
def init(
    ae_title: Annotated[str, typer.Option(help="The node's AE title.")] = "",
    host: Annotated[str, typer.Option(help="Where it listens.")] = "",
    port: Annotated[int, typer.Option(help="On which port.", show_default=False)] = -1,
    data: Annotated[str, typer.Option("--path", help="Where it keeps what it receives.")] = "",
    any_peer: Annotated[bool | None, typer.Option(help="Whether anyone may call.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    systemd: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write no configuration: by that which is there the units of systemd, and a "
            "dashboard for Grafana, to this folder.",
        ),
    ] = None,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write a commented config.toml, after a few questions."""
    os.umask(os.umask(0o022) | 0o022)  # what says how the node runs, others do not write
    if systemd is not None:
        if force or any(
            one not in ("", -1, None) for one in (ae_title, host, port, data, any_peer)
        ):
            raise failure("--systemd takes a configuration as it is: run `minipacs init` first")
        write_units(systemd, path)
        return

    def ask(words: str, given: Any, default: Any) -> Any:
        if given not in ("", -1, None):
            return given
        if yes:
            return default
        kind = typer.confirm if isinstance(default, bool) else typer.prompt
        return answer(kind, words, default=default)

    try:
        _require_new(path, force)  # before anything is asked
        chosen = {
            ("node", "ae_title"): ask("AE title of the node", ae_title, "MINIPACS"),
            ("node", "host"): ask("Address to listen on", host, "127.0.0.1"),
            ("node", "port"): int(ask("Port", port, 11112)),
            ("storage", "path"): ask("Folder for what is received", data, "data"),
            ("access", "any_peer"): ask("May anyone call (else only [peers])", any_peer, True),
        }
        for warning in write(path, chosen, force):
            say(f"warning: {warning}", err=True)
    except typer.Abort:
        raise failure("nothing written") from None
    except (ConfigError, ValueError) as error:
        raise failure(str(error)) from None
    say(f"{path} written; `minipacs serve -c {path}` runs the node")
    kept = loader.load(path).storage.path
    if (kept / "tree").is_dir():
        say(f"{kept}: there is an archive already, which the node goes on with")


def write_units(folder: Path, path: Path) -> None:
    """Write the units of systemd, and say what comes next; else the command ends."""
    try:
        settings = loader.load(path)
        names = units.write(folder, settings)
    except ConfigError as error:
        raise failure(str(error)) from None
    for warning in units.warnings(settings):
        say(f"warning: {warning}", err=True)
    say(f"{folder}: {', '.join(names)} written; then, as root:")
    for step in units.steps(folder, settings):
        say(f"  {step}")


# Tables of which there are several: as one of them begins.
_NAMED = {"peers": "peers.AE_TITLE", "users": "users.NAME"}


def text_of(chosen: dict[tuple[str, str], Any]) -> str:
    """A config.toml of all keys with what each takes; `chosen` by table and key, else defaults."""
    lines = ["# The configuration of a minipacs node. What is commented out is off."]
    for name, table in TABLES.items():
        lines += ["", f"# {' '.join((table.__doc__ or '').split())}"]
        if name in _NAMED:
            name, off = _NAMED[name], "# "
        else:
            left_out = Settings.model_fields[name].get_default(call_default_factory=True)
            off = "" if isinstance(left_out, Table) else "# "
        lines.append(f"{off}[[{name}]]" if name == "forward" else f"{off}[{name}]")
        for key, field in table.model_fields.items():
            value = chosen.get((name, key), field.get_default(call_default_factory=True))
            title = field.alias or key
            missing = value is PydanticUndefined or value is None
            shown = "..." if missing else _toml(value)
            mark = "# " if off or missing else ""
            pair = f"{mark}{title} = {shown}"
            lines.append(f"{pair:{_WIDTH}}# {field.description}")
    return "\n".join(lines) + "\n"


def write(path: Path, chosen: dict[tuple[str, str], Any], force: bool) -> list[str]:
    """Write a configuration that loads, with a port and a folder that will do; its warnings.

    Raises ConfigError where one does not, or where the file exists and not `force`.
    """
    _require_new(path, force)
    text = text_of(chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, suffix=".toml"
        ) as draft:
            draft.write(text)
            draft.flush()
            try:
                settings = loader.load(Path(draft.name))
            except ConfigError as error:
                raise ConfigError(str(error).replace(draft.name, str(path))) from None
            _check_port(settings, path)
            _check_folder(settings, path)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: {error.strerror}") from error
    return loader.warnings(loader.load(path))


def _require_new(path: Path, force: bool) -> None:
    """Raise ConfigError, with what is in it, where there is a file not to be written over."""
    if force or not path.exists():
        return
    try:
        found = loader.load(path)
    except ConfigError as error:
        told = f"it cannot be used as it is: {error}"
    else:
        node = found.node
        told = f"{node.ae_title} on {node.host}:{node.port}, data in {found.storage.path}"
    raise ConfigError(f"{path}: exists; --force writes over it ({told})")


def _toml(value: object) -> str:
    """A value as TOML: as JSON, but for halves of pairs of UTF-16 and DEL, which TOML refuses."""
    if isinstance(value, dict):
        pairs = (f"{_toml(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return json.dumps(plain_value(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_port(settings: Settings, path: Path) -> None:
    host, port = settings.node.host, settings.node.port
    try:
        bound(host, port).close()
    except OSError as error:
        words = f"[node] host, port: cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigError(f"{path}: {words}") from error


def _check_folder(settings: Settings, path: Path) -> None:
    data = settings.storage.path
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    where = f"{path}: [storage] path: {data}"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{where}: {there} cannot be written")
    try:
        require_known(data, settings.storage.any_file_system)
    except FolderError as error:
        raise ConfigError(f"{path}: [storage] path: {error}") from error
