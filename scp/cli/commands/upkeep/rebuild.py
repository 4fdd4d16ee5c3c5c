"""`minipacs rebuild`: the index made anew from the tree."""

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refuse_shared,
    settings_as_owner,
)
from scp.cli.output import FileProgress, say, say_json, shown
from scp.runtime import child
from storage.diagnostics import ArchiveError, FolderError
from storage.maintenance.recovery import rebuilding, startup

app = Commands()


@app.command()
def rebuild(as_json: AsJson = False, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Make the index anew from the tree; the node may run meanwhile."""
    settings = settings_as_owner(path)
    refuse_shared(settings, "rebuild")
    storage = settings.storage
    try:
        startup.begin_anew(storage.path)
        child.be_nice()  # a node may serve
        with shown("rebuild") as progress:
            told = FileProgress(progress, "making the index anew")
            held = rebuilding.rebuild(storage.path, storage.charset, told, child.readers)
    except FolderError as error:
        raise failure(f"{settings.source}: [storage] path: {error}") from None
    except ArchiveError as error:
        say(f"minipacs: index not rebuilt: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        say_json({"instances": held})
    else:
        say(f"index rebuilt instances={held}")
