"""`minipacs send`: what is named goes to a peer, on associations as a C-MOVE would open them."""

import time
from collections.abc import Iterator, Sequence
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
from scp.network.scu import Delivery, Origin, Originator, Pause, Result, SubOperationOutcome
from scp.network.tls import Contexts, contexts
from scp.node import opened
from scp.runtime import MANY, tell
from storage import Archive, Location
from storage.diagnostics import ArchiveError
from storage.maintenance.changes import Named

app = Commands()

_UNASKED = Originator("", 0, 0, named=False)


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
    started = time.monotonic()
    locations, absent = selection.held(archive, named, settings.storage.charset)
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
    origin = Origin(settings, tls, copies, _UNASKED)
    found = dict.fromkeys(Result, 0)
    sent, ended = 0, "done"
    problems: list[dict[str, str]] = []
    try:
        with shown("send") as progress:
            progress.begin(f"sending to {title}", sum(one.file_bytes for one in locations))
            for outcome in _outcomes(origin, title, peer, locations):
                found[outcome.result] += 1
                sent += outcome.location.file_bytes if outcome.result is not Result.FAILED else 0
                progress.advance(outcome.location.file_bytes)
                if outcome.words and as_json:
                    problems.append(_plain(outcome))
                elif outcome.words:
                    progress.say(f"{outcome.location.uids[2]}: {outcome.words}")
    except (ArchiveError, KeyboardInterrupt) as error:
        ended = str(error) or "interrupted"
        raise
    finally:
        seconds = time.monotonic() - started
        studies = list(dict.fromkeys(one.uids[0] for one in locations))[:MANY]
        how = {"deidentified": str(profile)} if profile else {}
        tell(
            settings, "send", destination=title, studies=studies, **how, **_counts(found),
            outcome=ended, seconds=round(seconds, 3),
        )  # fmt: skip
    if as_json:
        say_json(document | _counts(found) | {
            "bytes": sent, "seconds": round(seconds, 3), "problems": problems,
            "deidentification": report.lines(),
        })  # fmt: skip
        return not found[Result.FAILED] and not absent
    words = ", ".join(f"{name}={count}" for name, count in _counts(found).items())
    say(f"{selection.words(named)} to {title}: {words}, {size(sent)}, seconds={seconds:.1f}")
    for line in report.lines():
        say(line)
    return not found[Result.FAILED] and not absent


def _plain(outcome: SubOperationOutcome) -> dict[str, str]:
    """An instance of which there is something to be told, for a machine."""
    study, series, instance = outcome.location.uids
    return {
        "study": study, "series": series, "instance": instance,
        "result": outcome.result.name.lower(), "reason": outcome.words,
    }  # fmt: skip


def _counts(found: dict[Result, int]) -> dict[str, int]:
    return {"sent": found[Result.COMPLETED], "warned": found[Result.WARNED],
            "failed": found[Result.FAILED]}  # fmt: skip


def _outcomes(
    origin: Origin, title: str, peer: Peer, locations: Sequence[Location]
) -> Iterator[SubOperationOutcome]:
    delivery = Delivery(origin, title, peer, locations, Pause())
    try:
        yield from (outcome for outcome in delivery if outcome)
    finally:
        delivery.stop()
