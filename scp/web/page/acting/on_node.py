"""What is done with peers: an echo asked for now, and what failed sent again."""

import secrets

from werkzeug.wrappers import Response

from scp.network.scu import echo
from scp.network.tls import contexts
from scp.node.acts.actor import Actor
from scp.node.acts.forwarding import retry
from scp.web.page.acting.shown import confirm
from scp.web.page.acting.tickets import digest, taken
from scp.web.page.acting.undertaking import Outcome, Telling, begun, led_back, undertaken
from scp.web.page.surface import PREFIX, number
from scp.web.request import Asked, BadRequestError
from storage.outbox import standings_beside

ECHO_PATH, _BACK = f"{PREFIX}/node/echo", f"{PREFIX}/node"
_KEY_BYTES, _QUEUE_SECONDS = 16, 2.0


def echoed(asked: Asked) -> Response:
    """Ask a peer for an echo. It changes nothing, and may be asked for as often as one likes."""
    taken(asked)
    title = asked.request.form.get("to", "")
    settings = asked.context.settings
    peer = settings.peers.get(title)
    if peer is None or not peer.host:
        raise BadRequestError(f"{title[:40]!r} is no peer that is sent to: see [peers]")

    def work(actor: Actor, telling: Telling) -> Outcome:
        found = echo(settings, contexts(settings), title, peer)
        actor.tell("echo", destination=title, outcome=found.fault or "answered",
                   seconds=round(found.seconds, 3))  # fmt: skip
        if found.fault:
            return Outcome([("did_not_echo", title)], [found.fault], has_failed=True)
        return Outcome([("did_echo", title, f"{found.seconds * 1000:.0f}")])

    return undertaken(asked, secrets.token_urlsafe(_KEY_BYTES), _BACK, work)


def retry_asked_for(asked: Asked) -> Response:
    """Confirm that what failed of a destination is sent again."""
    title = asked.request.args.get("to", "")
    failed, waiting = _standing(asked, title)
    return confirm(
        asked, digest(title), {"to": title}, study=None, title="retry",
        facts=[("destination", title), ("state_failed", number(failed)),
               ("state_waiting", number(waiting))],
        button=("retry_n", number(failed + waiting), title), back=_BACK, notes=[("retry_means",)],
    )  # fmt: skip


def retried(asked: Asked) -> Response:
    """Do it."""
    ticket = taken(asked)
    title = ticket.values["to"]
    if before := led_back(asked, ticket.key, _BACK):
        return before
    _standing(asked, title)

    def work(actor: Actor, telling: Telling) -> Outcome:
        return Outcome([("did_retry", number(retry(actor, title)), title)])

    return begun(asked, ticket, digest(title), _BACK, work)


def _standing(asked: Asked, title: str) -> tuple[int, int]:
    """How many instances failed, and wait. Raises BadRequestError, ResourceError."""
    found = standings_beside(asked.context.settings.storage.path, _QUEUE_SECONDS).get(title)
    if not title or found is None:
        raise BadRequestError(f"{title[:40]!r}: nothing goes there; no [[forward]] names it")
    return found.failed, found.waiting
