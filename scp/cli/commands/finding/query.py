"""`minipacs query`: what another archive holds, asked by C-FIND and shown as `find` shows it."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import typer
from pydicom.datadict import keyword_for_tag

from scp.cli.commands.finding.showing import Showing, showing
from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    Conditions,
    ConfigPath,
    load,
    parsed_conditions,
    peer_of,
    refusals_shown,
    takes,
)
from scp.cli.output import say
from scp.network.association import NoAssociationError
from scp.network.fetching import RemoteArchive, RemoteAsked, remote_asked
from scp.network.scu import Inquirer, PeerError
from scp.network.tls import contexts
from storage.dicom.data_sets import Elements
from storage.dicom.values import UNIQUE, Level
from storage.query import key_path

app = Commands()


@app.command()
@takes(shown=showing)
def query(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    shown: Showing,
    where: Conditions = None,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Ask a peer what it holds: Modality=CT StudyDate=20260101- PatientName='DOE*'.

    It is asked level by level, from the studies down. Keywords match as that peer has it; where it
    does not answer one, that is told.
    """
    settings = load(path)
    with refusals_shown():
        tls = contexts(settings)
        peer = peer_of(settings, title)
        asked = remote_asked(shown.level, parsed_conditions(where), shown.columns)
    with Inquirer(settings, tls, title, peer) as inquirer:
        count, fault = run(RemoteArchive(inquirer.find), title, asked, shown)
    raise shown.ended(count, fault)


def run(remote: RemoteArchive, title: str, asked: RemoteAsked, shown: Showing) -> tuple[int, str]:
    """Show what a peer answers; how many there are, and what went wrong."""
    count = 0
    with shown.form:
        try:
            for found in islice(remote.entities(asked), shown.limit or None):
                uids = [UNIQUE[level].keyword for level in Level if level <= asked.level]
                shown.add(_values(found, uids), _values(found, shown.columns))
                count += 1
        except (NoAssociationError, PeerError) as error:
            return count, f"{title} {error}"
    if remote.unheeded:
        say(f"minipacs: {title} does not answer {', '.join(remote.unheeded)}: it may not have "
            "matched that", err=True)  # fmt: skip
    return count, ""


def _values(found: Elements, names: Iterable[str]) -> dict[str, object]:
    return {name: _value(found, name) for name in names}


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
