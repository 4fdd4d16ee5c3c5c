"""The commands on what may stay: studies pinned, and the rules of [retention] applied by hand."""

from typing import Annotated

import typer

from scp.housekeeping import DryRun, Yes, asking
from scp.options import DEFAULT_CONFIG, ConfigPath, begin, failure, told

app = typer.Typer()

Study = Annotated[str, typer.Option("--study", metavar="UID", help="A study.")]


@app.command()
def pin(study: Study = "", path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Have a study stay, whatever [retention] says; without one, list those that are pinned."""
    settings = begin(path)
    from scp import pinning

    with told():
        if study:
            pinning.pin(settings, study)
        else:
            pinning.show(settings)


@app.command()
def unpin(
    study: Annotated[str, typer.Option("--study", metavar="UID", help="A study.")],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Let the rules of [retention] have a study again."""
    settings = begin(path)
    from scp import pinning

    with told():
        pinning.unpin(settings, study)


@app.command()
def retain(yes: Yes = False, dry_run: DryRun = False, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Do now what the rules of [retention] ask for; the node does it once an hour."""
    settings = begin(path)
    from scp import retaining

    if not retaining.is_wanted(settings):
        raise failure(f"{settings.source}: [retention]: takes a rule, such as days = 365")
    with told():
        retaining.run(settings, dry_run, asking(yes))
