"""The commands on what may stay: studies pinned, and the rules of [retention] applied by hand."""

from scp.cli.archive import DryRun, Yes, asking
from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    Studies,
    begin,
    failure,
    selected,
    told,
)

app = Commands()


@app.command()
def pin(study: Studies = None, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Have studies stay, whatever [retention] says; without one, list those that are pinned."""
    studies = selected(None, study, None, None)
    settings = begin(path)
    from scp.cli.commands.changes import pin as pinning

    with told():
        if studies:
            pinning.pin(settings, studies)
        else:
            pinning.show(settings)


@app.command()
def unpin(study: Studies = None, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let the rules of [retention] have studies again."""
    studies = selected(None, study, None, None)
    if not studies:
        raise failure("takes one or more --study")
    settings = begin(path)
    from scp.cli.commands.changes import pin as pinning

    with told():
        pinning.unpin(settings, studies)


@app.command()
def retain(yes: Yes = False, dry_run: DryRun = False, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Do now what the rules of [retention] ask for; the node does it once an hour."""
    settings = begin(path)
    from scp.cli.commands.changes import retain as retaining
    from scp.node import is_wanted

    if not is_wanted(settings):
        raise failure(f"{settings.source}: [retention]: takes a rule, such as days = 365")
    with told():
        retaining.run(settings, dry_run, asking(yes))
