"""`minipacs retain`: the rules of [retention] applied by hand."""

from collections.abc import Callable

from scp.cli.output import say, shown, size
from scp.config import Settings
from scp.node import Retaining, changing, opened, rules
from storage.maintenance.changes import Plan, retention


def run(settings: Settings, dry_run: bool, ask: Callable[[str], bool]) -> None:
    """Show what is to go, and have it go. Raises ArchiveError."""
    with (opened if dry_run else changing)(settings) as archive:
        plan = retention.plan(archive, rules(settings))
        for words in plan.wrong:
            say(words, err=not dry_run)
        for due in plan.studies:
            say(str(due))
        words = _words(plan)
        if dry_run or not (plan.studies or plan.superseded):
            say(f"{words} to go")
            return
        if not ask(f"{words}. Delete?"):
            say("nothing deleted")
            return
        with shown("retain") as progress:
            done = Retaining(settings, archive, progress)
            done.apply(plan)
    say(f"retained: {done.words}")


def _words(plan: Plan) -> str:
    instances = sum(one.instances for one in plan.studies)
    held = size(sum(one.bytes for one in plan.studies))
    there = size(sum(one.bytes for one in plan.superseded))
    return (
        f"studies={len(plan.studies)}, instances={instances}, {held}; "
        f"superseded/: files={len(plan.superseded)}, {there}"
    )
