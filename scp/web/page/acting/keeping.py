"""Studies pinned, which no rule takes, and let go again."""

from werkzeug.wrappers import Response

from scp.node.acts.actor import Actor
from scp.node.acts.pinning import pin, unpin
from scp.web.page.acting.shown import confirm, facts_of, found
from scp.web.page.acting.tickets import digest, taken
from scp.web.page.acting.undertaking import Outcome, Telling, begun, led_back
from scp.web.page.study import path_of
from scp.web.request import Asked
from storage.journal import pinned


def asked_for(asked: Asked, study: str) -> Response:
    """Confirm that it is pinned; or that it is not any more, where it is."""
    values, instances = found(asked, (study,))
    is_pinned = study in pinned(asked.context.archive.journal)
    word = "unpin" if is_pinned else "pin"
    return confirm(
        asked, digest(is_pinned), study=values,
        facts=facts_of((study,), instances), title=word, button=(word,), back=path_of(study),
        notes=[(f"{word}_means",)],
    )  # fmt: skip


def done(asked: Asked, study: str) -> Response:
    """Do it."""
    ticket, archive = taken(asked), asked.context.archive
    back = path_of(study)
    if before := led_back(asked, ticket.key, back):
        return before
    _, instances = found(asked, (study,))
    is_pinned, count = study in pinned(archive.journal), len(instances)

    def work(actor: Actor, telling: Telling) -> Outcome:
        if is_pinned:
            unpin(actor, archive, study)
            return Outcome([("did_unpin",)], undo=f"{back}/pin")
        pin(actor, archive, study, count)
        return Outcome([("did_pin",)], undo=f"{back}/pin")

    return begun(asked, ticket, digest(is_pinned), back, work)
