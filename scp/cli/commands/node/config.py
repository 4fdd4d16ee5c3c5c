"""`minipacs config`: what is in force, and where each value comes from."""

import sys
import tomllib
from pathlib import Path
from typing import Any

from scp.cli.options import DEFAULT_CONFIG, AsJson, Commands, ConfigPath, load
from scp.cli.output import plain_value, rows, say_json
from scp.config import TABLES, Settings, Table, without_password

app = Commands()

# Keys of [users.NAME] by which it could be guessed at.
_SECRET = ("password", "tokens")


@app.command()
def config(path: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print what is in force, and where each value comes from."""
    settings = load(path)
    tell(settings, as_json)


def tell(settings: Settings, as_json: bool) -> None:
    """Print every value in force and where it comes from."""
    given = tomllib.loads(settings.source.read_text())
    found: list[tuple[str, Any, str]] = []
    for name in TABLES:
        held = getattr(settings, name)
        if isinstance(held, tuple):  # an array of tables
            for number, one in enumerate(held, 1):
                told = given[name][number - 1]
                found += _rows(f"[[{name}]] {number}", one, told, settings.source)
            continue
        tables = {f"{name}.{title}": one for title, one in held.items()} if isinstance(
            held, dict) else {name: held} if held is not None else {}  # fmt: skip
        for title, one in tables.items():
            told = given.get(name, {})
            if title != name:
                told = next((v for k, v in told.items() if k.strip() == title[len(name) + 1 :]), {})
            found += _rows(f"[{title}]", one, told, settings.source)
    if as_json:
        say_json([dict(zip(("key", "value", "from"), row, strict=True)) for row in found])
        return
    # There is but one file: on a terminal its name will do.
    path = settings.source.name if sys.stdout.isatty() else str(settings.source)
    with rows.Columns(folded=1, has_titles=False) as table:
        for key, value, origin in found:
            where = path if origin == str(settings.source) else origin
            table.add({"key": key, "value": str(value), "from": where})


def _rows(header: str, table: Table, told: object, source: Path) -> list[tuple[str, Any, str]]:
    """Each key of a table, its value, and whether it was `told` or is the default."""
    keys = {field.alias or key: key for key, field in type(table).model_fields.items()}
    given = told if isinstance(told, dict) else {}
    return [
        (f"{header} {alias}", _shown(table, key), str(source) if alias in given else
         "default")
        for alias, key in keys.items()
    ]  # fmt: skip


def _shown(table: Table, key: str) -> Any:
    """A value; of what proves who somebody is, only whether it is there."""
    value = getattr(table, key)
    if key in _SECRET and value:
        return f"{len(value)} of them" if isinstance(value, tuple) else "set"
    return without_password(value) if isinstance(value, str) else plain_value(value)
