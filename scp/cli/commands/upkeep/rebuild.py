"""`minipacs rebuild`: the index made anew from the tree."""

from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    settings_as_owner,
)
from scp.cli.output import FileProgress, say, say_json, shown
from scp.runtime import child
from storage.diagnostics import ArchiveError, FolderError
from storage.maintenance.recovery import rebuilding, startup

app = Commands()


@app.command()
def rebuild(
    take_store: Annotated[
        bool,
        typer.Option(
            "--take-store",
            help="Where the database of an archive of several nodes is lost: begin it anew from "
            "the objects in its store.",
        ),
    ] = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make the index anew from the tree; the node may run meanwhile."""
    settings = settings_as_owner(path)
    storage = settings.storage
    if take_store and not settings.store:
        raise failure("--take-store: is for an archive of [index] and [store]")
    try:
        startup.begin_anew(storage.path, take_store)
        child.be_nice()  # a node may serve
        with shown("rebuild") as progress:
            told = FileProgress(progress, "making the index anew")
            held = rebuilding.rebuild(storage.path, storage.charset, told, child.readers)
    except FolderError as error:
        where = "[index], [store]" if settings.store else "[storage] path"
        raise failure(f"{settings.source}: {where}: {error}") from None
    except ArchiveError as error:
        say(f"minipacs: index not rebuilt: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        say_json({"instances": held})
    else:
        say(f"index rebuilt instances={held}")
