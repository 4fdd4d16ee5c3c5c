"""`minipacs query`: what another archive holds, asked by C-FIND and shown as `find` shows it."""

from itertools import islice
from typing import Annotated

import typer

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
from storage.archive import plain
from storage.dicom.values import UNIQUE, Level

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
    count, unique = 0, [UNIQUE[level] for level in Level if level <= asked.level]
    with shown.form:
        try:
            for found in islice(remote.entities(asked), shown.limit or None):
                uids = {one.keyword: plain(found, (one.tag,)) for one in unique}
                shown.add(uids, {path.name: plain(found, path.tags) for path in asked.shown})
                count += 1
        except (NoAssociationError, PeerError) as error:
            return count, f"{title} {error}"
    if remote.unheeded:
        say(f"minipacs: {title} does not answer {', '.join(remote.unheeded)}: it may not have "
            "matched that", err=True)  # fmt: skip
    return count, ""
