"""`minipacs config`: what is in force, and where each value comes from."""

import tomllib
from pathlib import Path
from typing import Any

from scp.cli.options import DEFAULT_CONFIG, AsJson, Commands, ConfigPath, load
from scp.cli.output import plain_value, say, say_json
from scp.config import TABLES, Settings, Table

app = Commands()


@app.command()
def config(path: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print what is in force, and where each value comes from."""
    settings = load(path)
    tell(settings, as_json)


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
        (f"{header} {alias}", plain_value(getattr(table, key)), str(source) if alias in given else
         "default")
        for alias, key in keys.items()
    ]  # fmt: skip
