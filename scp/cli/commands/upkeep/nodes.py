"""`minipacs nodes`: how an archive that several nodes have stands."""

from dataclasses import asdict

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import rows, say, say_json
from scp.config import engine_places
from storage.sharing.nodes import ArchiveStanding, standing_of

app = Commands()


@app.command()
def nodes(path: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show which nodes serve the archive, what each does, and whether its engines answer.

    Exit code 1 where an engine does not, or a node ended without a word.
    """
    settings = settings_as_owner(path)
    with refusals_shown():
        found = standing_of(settings.storage.path)
    if found is None:
        raise failure(f"{settings.source}: has no [index] and [store]: one node has the archive")
    assert settings.index
    assert settings.store
    tell(engine_places(settings.index, settings.store), found, as_json)
    is_wrong = any(found.engines.values()) or not all(one.serves for one in found.nodes)
    raise typer.Exit(1 if is_wrong else 0)


def tell(places: dict[str, str], found: ArchiveStanding, as_json: bool) -> None:
    """Say how it stands."""
    engines = [
        {"engine": str(engine), "where": places[engine], "fault": fault}
        for engine, fault in found.engines.items()
    ]  # fmt: skip
    if as_json:
        say_json({"engines": engines, "nodes": [asdict(one) for one in found.nodes],
                  "jobs": found.jobs})  # fmt: skip
        return
    for one in engines:
        say(f"{one['engine']}: {one['where']}: {one['fault'] or 'answers'}")
    with rows.Columns() as form:
        for node in found.nodes:
            form.add({
                "Node": node.name, "Version": node.version,
                "State": "serves" if node.serves else "gone",
                "Heard": f"{node.age:.0f} s ago", "Does": ", ".join(node.jobs),
            })  # fmt: skip
    say(f"nodes={sum(one.serves for one in found.nodes)}", err=True)
