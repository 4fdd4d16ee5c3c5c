"""`minipacs unpin`: studies that the rules may have again."""

from collections.abc import Sequence

from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    selected_studies,
    settings_as_owner,
    takes,
)
from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell
from storage.diagnostics import FolderError
from storage.journal import pins
from storage.maintenance.changes import Selection

app = Commands()


@app.command()
@takes(studies=selected_studies)
def unpin(studies: "Sequence[Selection]", path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let the rules of [retention] have studies again."""
    if not studies:
        raise failure("takes one or more --study")
    settings = settings_as_owner(path)
    with refusals_shown():
        run(settings, studies)


def run(settings: Settings, studies: Sequence[Selection]) -> None:
    """Take the pin from studies. Raises ArchiveError, before any is, where one has none."""
    with opened(settings) as archive:
        pinned = pins.pinned(archive.journal)
        without = ", ".join(one.uid for one in studies if one.uid not in pinned)
        if without:
            raise FolderError(
                f"--study {without}: is not pinned; `minipacs pin` lists those that are"
            )
        for one in studies:
            pins.unpin(archive.journal, one.uid)
            tell(settings, "unpin", studies=[one.uid])
            say(f"study {one.uid} unpinned")
