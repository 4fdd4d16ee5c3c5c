"""What `minipacs check` shows: faults as lines or as JSON, and how far it is."""

import logging
from typing import Annotated, Any

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    ownership,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import say, say_json, shown
from scp.config import Settings
from scp.node import opened
from storage import Archive
from storage.archive import counts, held_bytes
from storage.diagnostics import FolderError, ResourceError
from storage.files import is_free
from storage.maintenance.check import Fault, rights_faults
from storage.maintenance.check import check as faults_of

logger = logging.getLogger(__name__)

app = Commands()

_HELD = {"patient": "patients", "study": "studies", "series": "series", "image": "instances"}


@app.command()
def check(
    path: ConfigPath = DEFAULT_CONFIG,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; nothing is deleted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare tree, index and digests; each fault a line, exit code 1 with any."""
    settings = settings_as_owner(path, ownership.CHECKS)
    with refusals_shown():
        left = run(settings, repair, as_json)
    raise typer.Exit(1 if left else 0)


def run(settings: Settings, repair: bool, as_json: bool) -> int:
    """Check, and show what is found; returns how many faults are left. Raises ArchiveError."""
    storage = settings.storage
    if of_rights := rights_faults.above(storage.path, repair):
        if of_rights[0].path == str(storage.path):  # then there is nothing that could be checked
            where = f"{settings.source}: [storage] path: "
            raise FolderError(f"{where}{of_rights[0]}")
        return _without_looking(of_rights, as_json)
    found: list[Fault] = []
    faults = left = 0
    with opened(settings) as archive:
        for words in _faults_of_journal(archive):
            say(f"journal: {words}", err=True)
        with shown("check") as progress:
            for fault in faults_of(archive, storage.charset, repair, progress):
                faults += 1
                left += not fault.mended
                if as_json:
                    found.append(fault)
                else:
                    progress.say(str(fault))
        held, size = counts(archive), held_bytes(archive)
    if as_json:
        document: dict[str, Any] = {"held": {_HELD[level]: n for level, n in held.items()}}
        document["held"]["bytes"] = size
        document["faults"] = [fault.as_json() for fault in found]
        say_json(document)
    else:
        entities = ", ".join(f"{level}={count}" for level, count in held.items())
        mended = f", mended={faults - left}, left={left}" if repair else ""
        say(f"held {entities}, faults={faults}{mended}")
    return left


def _faults_of_journal(archive: Archive) -> list[str]:
    """What was done to the journal's files while they were written."""
    try:
        if is_free(archive.tree.data):  # else, of a folder that was copied, they look moved away
            archive.journal.prepare()
        return archive.journal.faults()
    except OSError as error:
        raise ResourceError(f"{error.filename}: {error.strerror}") from error


def _without_looking(faults: list[Fault], as_json: bool) -> int:
    """Show what keeps a check from all else; returns how many that are."""
    if as_json:
        document = {"held": None, "faults": [fault.as_json() for fault in faults]}
        say_json(document)
        return len(faults)
    for fault in faults:
        say(str(fault))
    say(f"faults={len(faults)}; until they are mended nothing else can be looked at")
    return len(faults)
