"""`minipacs unpin`: studies that the rules may have again."""

from collections.abc import Container, Sequence

from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    refusals_shown,
    required,
    settings_as_owner,
    takes,
)
from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from scp.node.acts.actor import Actor
from scp.node.acts.pinning import unpin as unpin_study
from storage import Archive, Level
from storage.diagnostics import FolderError
from storage.journal import pins
from storage.maintenance.changes import (
    Everything,
    Matching,
    Named,
    Selection,
    all_held,
    in_words,
)

app = Commands()


@app.command()
@takes(named=required)
def unpin(named: "Sequence[Named]", path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let the rules of [retention] have studies again."""
    settings = settings_as_owner(path)
    with refusals_shown():
        run(settings, named)


def run(settings: Settings, named: Sequence[Named]) -> None:
    """Take the pin from studies. Raises ArchiveError, before any is, where one has none."""
    actor = Actor.of_command(settings)
    with opened(settings) as archive:
        pinned = pins.pinned(archive.journal)
        studies = _studies(archive, named, settings.storage.charset, pinned)
        without = ", ".join(study for study in studies if study not in pinned)
        if without:
            raise FolderError(
                f"study {without}: is not pinned; `minipacs pin` lists those that are"
            )
        for study in studies:
            unpin_study(actor, archive, study)
            say(f"study {study} unpinned")


def _studies(
    archive: Archive, named: Sequence[Named], charset: str, pinned: Container[str]
) -> list[str]:
    """The studies that are named, held or not; of what is described those that are pinned."""
    found: dict[str, None] = {}
    for one in named:
        if isinstance(one, Selection) and one.level is Level.STUDY:
            found[one.uid] = None
            continue
        locations, absent = all_held(archive, [one], charset)
        if absent:
            raise FolderError(f"{in_words(absent)}: nothing is held")
        studies = dict.fromkeys(location.uids[0] for location in locations)
        if isinstance(one, Matching | Everything):
            studies = {study: None for study in studies if study in pinned}
        found |= studies
    return list(found)
