"""`minipacs send`: what is named goes to a peer, on associations as a C-MOVE would open them."""

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

import typer

from scp.cli.commands.transfer.deidentify import MapFile, mapping, profile_asked_for
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    load,
    peer_of,
    refusals_shown,
    required,
    selection,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Peer, Settings
from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.network.scu import SubOperationOutcome
from scp.network.tls import Contexts, contexts
from scp.node import opened
from scp.node.acts.actor import Actor
from scp.node.acts.sending import Sending
from storage import Archive
from storage.maintenance.changes import Named, all_held, in_words

app = Commands()


@app.command()
@takes(named=required, profile=profile_asked_for)
def send(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    named: "Sequence[Named]",
    profile: Profile | None,
    map_file: MapFile = "",
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send patients, studies, series or instances to a peer."""
    if map_file and not profile:
        raise failure("--map: takes --deidentify")
    # Before the command works as the owner of the data folder: the key may be root's.
    with refusals_shown():
        tls = contexts(load(path))
    settings = settings_as_owner(path)
    peer = peer_of(settings, title)
    with refusals_shown(), opened(settings) as archive, mapping(map_file) as note:
        report = DeidentificationReport(note)
        whole = run(settings, tls, title, peer, named, archive, profile, report, as_json)
    raise typer.Exit(0 if whole else 1)


def run(
    settings: Settings, tls: Contexts, title: str, peer: Peer, named: Sequence[Named],
    archive: Archive, profile: Profile | None = None, report: DeidentificationReport | None = None,
    as_json: bool = False,
) -> bool:  # fmt: skip
    """Send, and show what becomes of it; whether all arrived. Raises ArchiveError."""
    locations, absent = all_held(archive, named, settings.storage.charset)
    report = report or DeidentificationReport()
    document: dict[str, object] = {
        "to": title, "sent": 0, "warned": 0, "failed": 0, "bytes": 0, "seconds": 0.0,
        "problems": [], "absent": [str(one) for one in absent], "deidentification": [],
    }  # fmt: skip
    if not as_json:
        selection.tell_absent(absent)
    elif not locations:
        say_json(document)
    if not locations:
        return False
    copies = copies_for(archive, settings.node.ae_title, profile, report)
    sending = Sending(
        Actor.of_command(settings), tls, title, peer, copies, locations,
        str(profile) if profile else "",
    )  # fmt: skip
    problems: list[dict[str, str]] = []
    with shown("send") as progress, closing(sending.outcomes()) as outcomes:
        progress.begin(f"sending to {title}", sum(one.file_bytes for one in locations))
        for outcome in outcomes:
            progress.advance(outcome.location.file_bytes)
            if outcome.words and as_json:
                problems.append(_plain(outcome))
            elif outcome.words:
                progress.say(f"{outcome.location.uids[2]}: {outcome.words}")
    failed = sending.counts["failed"]
    if as_json:
        say_json(document | sending.counts | {
            "bytes": sending.bytes, "seconds": round(sending.seconds, 3), "problems": problems,
            "deidentification": report.lines(),
        })  # fmt: skip
        return not failed and not absent
    words = ", ".join(f"{name}={count}" for name, count in sending.counts.items())
    took = f"{size(sending.bytes)}, seconds={sending.seconds:.1f}"
    say(f"{in_words(named)} to {title}: {words}, {took}")
    for line in report.lines():
        say(line)
    return not failed and not absent


def _plain(outcome: SubOperationOutcome) -> dict[str, str]:
    """An instance of which there is something to be told, for a machine."""
    study, series, instance = outcome.location.uids
    return {
        "study": study, "series": series, "instance": instance,
        "result": outcome.result.name.lower(), "reason": outcome.words,
    }  # fmt: skip
