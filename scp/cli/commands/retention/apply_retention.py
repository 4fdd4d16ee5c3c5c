"""`minipacs apply-retention`: the rules of [retention] applied by hand."""

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Ask,
    Commands,
    ConfigPath,
    DryRun,
    Yes,
    asking,
    failure,
    refusals_shown,
    require_no_question,
    settings_as_owner,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Settings
from scp.node import Retaining, changing, is_wanted, opened, planned
from storage.maintenance.changes import Plan

app = Commands()


@app.command(name="apply-retention")
def apply_retention(
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Do now what the rules of [retention] ask for; the node does it once an hour."""
    require_no_question(as_json, yes, dry_run)
    settings = settings_as_owner(path)
    if not is_wanted(settings):
        raise failure(f"{settings.source}: [retention]: takes a rule, such as days = 365")
    with refusals_shown():
        if as_json:
            show(settings, dry_run)
        else:
            run(settings, dry_run, asking(yes))


def show(settings: Settings, dry_run: bool) -> None:
    """What is to go, what stays and what was done, as JSON. Raises ArchiveError."""
    with (opened if dry_run else changing)(settings) as archive:
        plan = planned(settings, archive)
        with shown("apply-retention") as progress:
            done = Retaining(settings, archive, progress)
            if not dry_run and (plan.studies or plan.superseded):
                done.apply(plan)
    say_json({
        "goes": [one.fields for one in plan.studies],
        "stays": [one.fields for one in plan.staying],
        "superseded": {
            "files": len(plan.superseded), "bytes": sum(one.bytes for one in plan.superseded),
        },
        "wrong": list(plan.wrong), "done": done.counts,
    })  # fmt: skip


def run(settings: Settings, dry_run: bool, ask: Ask) -> None:
    """Show what is to go, and have it go. Raises ArchiveError."""
    with (opened if dry_run else changing)(settings) as archive:
        plan = planned(settings, archive)
        for words in plan.wrong:
            say(words, err=not dry_run)
        for due in (*plan.staying, *plan.studies):
            say(str(due))
        words = _words(plan)
        if dry_run or not (plan.studies or plan.superseded):
            say(f"{words} to go")
            return
        if not ask(f"{words}. Delete?"):
            say("nothing deleted")
            return
        with shown("apply-retention") as progress:
            done = Retaining(settings, archive, progress)
            done.apply(plan)
    say(f"let go: {done.words}")


def _words(plan: Plan) -> str:
    instances = sum(one.instances for one in plan.studies)
    held = size(sum(one.bytes for one in plan.studies))
    there = size(sum(one.bytes for one in plan.superseded))
    return (
        f"studies={len(plan.studies)}, instances={instances}, {held}; "
        f"superseded/: files={len(plan.superseded)}, {there}"
    )
