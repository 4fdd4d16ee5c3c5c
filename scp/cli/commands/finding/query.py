"""`minipacs query`: what another archive holds, asked by C-FIND and shown as `find` shows it."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer
from pydicom.datadict import keyword_for_tag

from scp.cli.commands.finding.find import COLUMNS, PLURALS, LevelName
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    Conditions,
    ConfigPath,
    failure,
    load,
    parsed_conditions,
    peer_of,
    refusals_shown,
)
from scp.cli.output import rows, say
from scp.config import Peer, Settings
from scp.network.association import NoAssociationError
from scp.network.fetching import RemoteArchive, RemoteAsked, remote_asked
from scp.network.scu import Inquirer, PeerError
from scp.network.tls import Contexts, contexts
from storage.dicom.data_sets import Elements
from storage.dicom.values import UNIQUE, Level
from storage.query import key_path

app = Commands()

_LEVELS = dict(zip(LevelName, Level, strict=True))


@app.command()
def query(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    where: Conditions = None,
    level: Annotated[
        LevelName, typer.Option("--level", "-l", help="What to look for.")
    ] = LevelName.STUDY,
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show", "-s", metavar="KEYWORD",
            help="Show this too; may be given several times, and have commas.",
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with all UIDs.")] = False,
    as_uids: Annotated[
        bool, typer.Option("--uids", help="The UID of each (of patients the ID), one a line.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 0,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:  # fmt: skip
    """Ask a peer what it holds: Modality=CT StudyDate=20260101- PatientName='DOE*'.

    It is asked level by level, from the studies down. Keywords match as that peer has it; where it
    does not answer one, that is told.
    """
    if as_json + as_csv + as_uids > 1:
        raise failure("takes one of --json, --csv and --uids")
    settings = load(path)
    with refusals_shown():
        tls = contexts(settings)
        peer = peer_of(settings, title)
        more = [name for one in show or () for name in one.split(",") if name]
        shown = [] if as_uids else list(dict.fromkeys((*COLUMNS[_LEVELS[level]], *more)))
        asked = remote_asked(_LEVELS[level], parsed_conditions(where), shown)
    form = (
        rows.Json() if as_json else rows.Csv() if as_csv else rows.Lines() if as_uids
        else rows.Columns()
    )  # fmt: skip
    count, fault = run(settings, tls, title, peer, asked, shown, form, limit)
    if isinstance(form, rows.Columns):
        say(f"{PLURALS[level]}={count}", err=True)
    if fault:
        say(f"minipacs: {title} {fault}", err=True)
    raise typer.Exit(0 if count and not fault else 1)


def run(
    settings: Settings, tls: Contexts, title: str, peer: Peer, asked: RemoteAsked,
    shown: list[str], form: rows.Form, limit: int,
) -> tuple[int, str]:  # fmt: skip
    """Show what a peer answers; how many there are, and what went wrong."""
    count, fault = 0, ""
    with Inquirer(settings, tls, title, peer) as inquirer, form:
        remote = RemoteArchive(inquirer.find)
        try:
            for found in islice(_entities(remote, asked), limit or None):
                form.add(_row(asked, found, shown, form))
                count += 1
        except (NoAssociationError, PeerError) as error:
            fault = str(error)
    if remote.unheeded and not fault:
        say(f"minipacs: {title} does not answer {', '.join(remote.unheeded)}: it may not have "
            "matched that", err=True)  # fmt: skip
    return count, fault


def _entities(remote: RemoteArchive, asked: RemoteAsked) -> Iterator[Elements]:
    yield from remote.entities(asked)


def _row(
    asked: RemoteAsked, found: Elements, shown: list[str], form: rows.Form
) -> dict[str, object]:
    uids = {UNIQUE[one].keyword: _value(found, UNIQUE[one].keyword)
            for one in Level if one <= asked.level}  # fmt: skip
    if isinstance(form, rows.Lines):
        return {"": uids[UNIQUE[asked.level].keyword]}
    values = {name: _value(found, name) for name in shown}
    return values if isinstance(form, rows.Columns) else {**uids, **values}


def _value(found: Elements, name: str) -> object:
    """The value of an attribute; of one in a sequence those of all its items."""
    first, *below = key_path(name).tags
    held = found.get(first)
    if held is None:
        return ""
    if held.items is None:
        return held.text
    inner = [_plain(item) for item in held.items]
    for tag in below:
        inner = [one.get(keyword_for_tag(tag), "") for one in inner if isinstance(one, dict)]
    return inner


def _plain(item: Elements) -> object:
    return {keyword_for_tag(tag) or str(tag): one.text if one.items is None
            else [_plain(inner) for inner in one.items] for tag, one in item.items()}  # fmt: skip
