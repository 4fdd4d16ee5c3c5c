"""`minipacs correct`: other values, beside the stored bytes."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from scp.cli.commands.changes.corrections import Reason, corrections_refused, make
from scp.cli.options import (
    DEFAULT_CONFIG,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    asking,
    required,
    settings_as_owner,
    takes,
)
from scp.config import Settings
from scp.node import opened
from scp.node.acts.correcting import CorrectionPlan, parsed
from storage.maintenance.changes import Named

app = Commands()


@app.command()
@takes(named=required)
def correct(
    values: Annotated[list[str], typer.Argument(metavar="Keyword=VALUE")],
    named: "Sequence[Named]",
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have patients, studies, series or instances shown and sent with other values."""
    settings = settings_as_owner(path)
    with corrections_refused():
        run(settings, named, parsed(values), reason, asking(yes))


def run(
    settings: Settings,
    named: Sequence[Named],
    values: Mapping[str, str],
    reason: str,
    ask: Ask,
) -> None:
    """Give what is selected other values. Raises ArchiveError, UncorrectableError."""
    with opened(settings) as archive:
        plan = CorrectionPlan.of(archive, named, values, settings.storage.charset)
        make(settings, archive, plan, reason, ask)
