"""`minipacs find`: what is held, by any key, as a table, JSON, CSV or UIDs."""

from itertools import islice
from typing import Annotated

import typer

from scp.cli.commands.finding.showing import Showing, showing
from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    Conditions,
    ConfigPath,
    parsed_conditions,
    refusals_shown,
    settings_as_owner,
    takes,
)
from scp.cli.output import FileProgress, Shown
from scp.config import Settings
from scp.node import opened
from storage.archive import Asked, HeaderLimits, UnreadableError, asked

app = Commands()


@app.command()
@takes(shown=showing)
def find(
    shown: Showing,
    where: Conditions = None,
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Names that sound alike are found too.")
    ] = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Find what is held, by any attribute: Modality=CT StudyDate=20260101- PatientName='doe*'.

    Keywords match as in a C-FIND: * and ? in text, ranges of dates and times, names whatever their
    case and accents; "" finds what is empty. Of several values of one keyword any will do.
    """
    settings = settings_as_owner(path)
    with refusals_shown():
        wanted = asked(shown.level, parsed_conditions(where), shown.columns, fuzzy)
        count, fault = run(settings, wanted, shown)
    raise shown.ended(count, fault)


def run(settings: Settings, wanted: Asked, shown: Showing) -> tuple[int, str]:
    """Show what is held of what is wanted; how many there are, and what was not looked at.

    Raises ArchiveError.
    """
    count = 0
    with opened(settings) as archive, shown.form:
        told = FileProgress(Shown("find"), "reading headers")
        found = archive.entities(wanted, settings.storage.charset, HeaderLimits(told=told))
        try:
            for entity in islice(found, shown.limit or None):
                shown.add(entity.uids, entity.values)
                count += 1
        except UnreadableError as error:
            return count, str(error)
    return count, ""
