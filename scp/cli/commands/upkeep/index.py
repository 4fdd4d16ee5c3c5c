"""`minipacs index`: the attributes that the index holds beside its columns."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
from scp.cli.output import FileProgress, say, say_json, shown
from scp.config import Settings
from scp.node import opened
from scp.runtime import child, tell
from storage import Archive
from storage.archive.finding import added_keys, asked_keys, key_filling
from storage.diagnostics import ArchiveError, IdentifierError
from storage.files import is_free

app = Commands()


class _Act(StrEnum):
    ADD = "add"
    REMOVE = "remove"
    LIST = "list"


@app.command()
def index(
    act: Annotated[_Act, typer.Argument(metavar="add|remove|list", show_choices=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEYWORD", help="Attributes of PS3.6, such as KVP."),
    ] = None,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have queries by more attributes answered without reading headers; the node may run meanwhile.

    What is held already is filled in by the node, or by this command where none serves. Without
    such a key a query reads a header of each instance that its other keys leave.
    """
    if act is _Act.LIST and names:
        raise failure(f"list: takes no keyword beside it: {names[0]}")
    if act is not _Act.LIST and not names:
        raise failure(f"{act}: takes the keyword of an attribute, such as KVP")
    if act is not _Act.LIST and as_json:
        raise failure("--json: tells what `minipacs index list` does")
    settings = settings_as_owner(path)
    with refusals_shown(), opened(settings) as archive:
        if act is _Act.LIST:
            show(archive, as_json)
            return
        keywords = list(dict.fromkeys(map(_addable, names or ())))
        change = add if act is _Act.ADD else remove
        change(settings, archive, keywords)
        bring_up(settings, archive)


def add(settings: Settings, archive: Archive, keywords: Sequence[str]) -> None:
    """Have the index hold attributes; none of them, where one is held. Raises ArchiveError."""
    held = added_keys.decided(archive.journal)
    if there := [keyword for keyword in keywords if keyword in held]:
        raise failure(f"{', '.join(there)}: added already; `minipacs index list` tells how far")
    for keyword in keywords:
        added_keys.add(archive.journal, keyword)
    tell(settings, "index-add", keys=keywords)
    say(f"added keys={','.join(keywords)}")


def remove(settings: Settings, archive: Archive, keywords: Sequence[str]) -> None:
    """Have headers be read for attributes again. Raises ArchiveError."""
    held = added_keys.decided(archive.journal)
    if absent := [keyword for keyword in keywords if keyword not in held]:
        raise failure(f"{', '.join(absent)}: not added; `minipacs index list` names those that are")
    for keyword in keywords:
        added_keys.remove(archive.journal, keyword)
    tell(settings, "index-remove", keys=keywords)
    say(f"removed keys={','.join(keywords)}")


def bring_up(settings: Settings, archive: Archive) -> None:
    """Have the index follow: here, unless a node does that. Raises ArchiveError."""
    data = settings.storage.path
    added_keys.bring_up(archive.index, archive.journal)
    if not _is_free(data):
        say("the node brings the index up to it: `minipacs index list` tells how far that is")
        return
    child.be_nice()
    with shown("index") as progress:
        try:
            key_filling.fill(data, FileProgress(progress, "reading headers"))
        except ArchiveError as error:
            raise failure(f"not filled yet: {error}; the next node goes on with it", 1) from None


def show(archive: Archive, as_json: bool) -> None:
    """List the attributes that were added, and how far each is; and those that could be.

    Raises ArchiveError.
    """
    found = key_filling.standings(archive.index, archive.journal)
    added = {key.keyword for key, _ in found}
    asked = [one for one in asked_keys.asked_keys(archive.tree.data) if one.keyword not in added]
    if as_json:
        keys = [
            {"keyword": key.keyword, "tag": str(key.tag), "vr": key.vr, "since": key.at,
             "filled": percent == key_filling.WHOLE, "percent": percent}
            for key, percent in found
        ]  # fmt: skip
        say_json({"added": keys, "asked": [asdict(one) for one in asked]})
        return
    for key, percent in found:
        state = "filled" if percent == key_filling.WHOLE else f"filling={percent}%"
        say(f"{key.keyword} {key.tag} {key.vr} since={key.at} {state}")
    say(f"keys added={len(found)}")
    for one in asked:
        say(f"{one.keyword} not added, queries={one.queries} headers={one.headers} last={one.last}")


def _is_free(data: Path) -> bool:
    """Whether no node serves the folder, as far as may be known."""
    try:
        return is_free(data)
    except OSError:
        return False


def _addable(name: str) -> str:
    try:
        return added_keys.addable(name)
    except IdentifierError as error:
        raise failure(str(error)) from None
