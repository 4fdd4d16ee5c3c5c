"""`minipacs init` and `minipacs config`: a configuration made, and told."""

import json
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from scp.cli.output import say, say_json
from scp.config import TABLES, ConfigError, Settings, Table, loader
from scp.runtime import bound
from storage.diagnostics import FolderError
from storage.files import require_known

_WIDTH = 28  # of a key and its value, before the comment


def text_of(chosen: dict[tuple[str, str], Any]) -> str:
    """A config.toml of all keys with what each takes; `chosen` by table and key, else defaults."""
    lines = ["# The configuration of a minipacs node. What is commented out is off."]
    for name, table in TABLES.items():
        lines += ["", f"# {' '.join((table.__doc__ or '').split())}"]
        if name == "peers":
            name, off = "peers.AE_TITLE", "# "
        else:
            off = "# " if name in ("tls", "metrics", "forward") else ""
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
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists; --force writes over it")
    text = text_of(chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".toml") as draft:
            draft.write(text)
            draft.flush()
            try:
                settings = loader.load(Path(draft.name))
            except ConfigError as error:
                raise ConfigError(str(error).replace(draft.name, str(path))) from None
            _check_port(settings, path)
            _check_folder(settings, path)
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: {error.strerror}") from error
    return loader.warnings(loader.load(path))


def tell(settings: Settings, as_json: bool) -> None:
    """Print every value in force and where it comes from."""
    given = tomllib.loads(settings.source.read_text())
    rows: list[tuple[str, Any, str]] = []
    for name in TABLES:
        table = getattr(settings, name)
        if isinstance(table, tuple):  # an array of tables
            for number, one in enumerate(table, 1):
                told = given[name][number - 1]
                rows += _rows(f"[[{name}]] {number}", one, told, settings.source)
            continue
        tables = {f"{name}.{title}": one for title, one in table.items()} if isinstance(
            table, dict) else {name: table} if table is not None else {}  # fmt: skip
        for title, one in tables.items():
            told = given.get(name, {})
            if title != name:
                told = next((v for k, v in told.items() if k.strip() == title[len(name) + 1 :]), {})
            rows += _rows(f"[{title}]", one, told, settings.source)
    if as_json:
        say_json([dict(zip(("key", "value", "from"), row, strict=True)) for row in rows])
        return
    widths = [max(len(str(row[at])) for row in rows) for at in (0, 1)]
    for key, value, origin in rows:
        say(f"{key:{widths[0]}}  {value!s:{widths[1]}}  {origin}")


def _rows(header: str, table: Table, told: object, source: Path) -> list[tuple[str, Any, str]]:
    """Each key of a table, its value, and whether it was `told` or is the default."""
    keys = {field.alias or key: key for key, field in type(table).model_fields.items()}
    given = told if isinstance(told, dict) else {}
    return [
        (f"{header} {alias}", _plain(getattr(table, key)), str(source) if alias in given else
         "default")
        for alias, key in keys.items()
    ]  # fmt: skip


def _plain(value: object) -> Any:
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple | frozenset):
        return sorted(str(one) for one in value)
    return str(value)


def _toml(value: object) -> str:
    plain = _plain(value)
    return json.dumps(plain)


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
