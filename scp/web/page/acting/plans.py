"""A correction that is planned, as its views show it."""

from collections.abc import Iterator

from scp.node.acts.actor import Actor
from scp.node.acts.correcting import CorrectionPlan
from scp.web.page.acting.tickets import digest
from scp.web.page.acting.undertaking import Outcome, Telling, Work
from scp.web.page.surface import number
from scp.web.request import Asked


def changes(plan: CorrectionPlan) -> Iterator[tuple[str, list[str], str]]:
    """Of each attribute what is shown, and what is to be."""
    for shown in plan.before.values():
        for keyword, text in plan.values.items():
            yield keyword, shown[keyword], text


def state_of(plan: CorrectionPlan) -> str:
    """What was shown of it. What arrives meanwhile is corrected as well, and changes nothing."""
    return digest([str(one) for one in plan.held], list(changes(plan)), dict(plan.others))


def facts_of(plan: CorrectionPlan) -> list[tuple[str, str]]:
    """How much it is of."""
    studies = {one.uids[0] for instances in plan.held.values() for one in instances}
    return [("studies", number(len(studies))), ("instances", number(plan.instances))]


def work_of(asked: Asked, plan: CorrectionPlan, reason: str, path: str, word: str) -> Work:
    """What makes it; `path` is that of the study from which it was asked for."""

    def work(actor: Actor, telling: Telling) -> Outcome:
        numbers = [
            made.number for _, made in plan.made(actor, asked.context.archive, reason)
        ]  # fmt: skip
        words = (word, ", ".join(map(str, numbers)), number(plan.instances))
        return Outcome([words], undo=f"{path}/undo/{numbers[-1]}")

    return work
