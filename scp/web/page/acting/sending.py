"""A study, a series or an instance sent to a peer, as `minipacs send` does."""

from contextlib import closing

from werkzeug.wrappers import Response

from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.network.tls import contexts
from scp.node.acts.actor import Actor
from scp.node.acts.sending import Sending
from scp.web.page.acting.shown import confirm, facts_of, found, state_of, uids_of
from scp.web.page.acting.tickets import taken
from scp.web.page.acting.undertaking import Outcome, Telling, begun, led_back
from scp.web.page.study import path_of
from scp.web.page.surface import number, page, size
from scp.web.request import Asked, BadRequestError


def asked_for(asked: Asked, study: str, series: str = "", instance: str = "") -> Response:
    """Choose a peer, then confirm."""
    uids = uids_of(study, series, instance)
    values, instances = found(asked, uids)
    settings, back = asked.context.settings, path_of(*uids)
    title = asked.request.args.get("to")
    is_deidentified = asked.request.args.get("deidentified") == "1"
    facts = facts_of(uids, instances)
    peers = {name: f"{one.host}:{one.port}" for name, one in settings.peers.items() if one.host}
    if title is None:
        return page(asked, "acting/send", study=values, facts=facts, peers=peers, back=back)
    _require(asked, title)
    facts.insert(0, ("to_peer", f"{title} ({peers[title]}{', TLS' * settings.peers[title].tls})"))
    return confirm(
        asked, state_of(instances),
        {"to": title, "deidentified": "1" if is_deidentified else ""}, study=values, facts=facts,
        title="send", button=("send_n", number(len(instances)), title), back=back,
        notes=[("sent_deidentified",) if is_deidentified else ("sent_corrected",)],
    )  # fmt: skip


def sent(asked: Asked, study: str, series: str = "", instance: str = "") -> Response:
    """Do it."""
    uids = uids_of(study, series, instance)
    ticket, back = taken(asked), path_of(*uids)
    if before := led_back(asked, ticket.key, back):
        return before
    _, instances = found(asked, uids)
    title = ticket.values["to"]
    _require(asked, title)
    context, profile = asked.context, Profile() if ticket.values["deidentified"] else None

    def work(actor: Actor, telling: Telling) -> Outcome:
        settings, report = context.settings, DeidentificationReport(None)
        copies = copies_for(context.archive, settings.node.ae_title, profile, report)
        sending = Sending(
            actor, contexts(settings), title, settings.peers[title], copies, instances,
            str(profile) if profile else "",
        )  # fmt: skip
        faults: dict[str, list[str]] = {}  # instances by what was said of them
        telling.begin("sending", len(instances), "files")
        with closing(sending.outcomes()) as outcomes:
            for outcome in outcomes:
                if outcome.words:
                    faults.setdefault(outcome.words, []).append(outcome.location.uids[2])
                telling.advance(1)
        count = sending.counts
        arrived = count["sent"] + count["warned"]
        told = number(arrived), number(len(instances)), title, size(sending.bytes)
        words: list[tuple[str, ...]] = [("did_send", *told)]
        if count["failed"]:
            words.append(("did_not_send", number(count["failed"])))
        details = [_told(fault, uids, bool(profile)) for fault, uids in faults.items()]
        return Outcome(words, details, has_failed=bool(count["failed"]))

    return begun(asked, ticket, state_of(instances), back, work)


def _told(fault: str, uids: list[str], is_deidentified: bool) -> str:
    """What was said of an instance, which is named unless it is a copy; or of how many."""
    if len(uids) > 1:
        return f"{fault} (instances={len(uids)})"
    return fault if is_deidentified else f"{uids[0]}: {fault}"


def _require(asked: Asked, title: str) -> None:
    peer = asked.context.settings.peers.get(title)
    if peer is None or not peer.host:
        raise BadRequestError(f"{title[:40]!r} is no peer that is sent to: see [peers]")
