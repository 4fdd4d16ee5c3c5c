"""`minipacs fetch`: what another archive holds is brought here, by C-GET or C-MOVE."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from typing import Annotated

import typer

from scp.cli.commands.finding.showing import LEVELS, LevelName
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    Conditions,
    ConfigPath,
    DryRun,
    failure,
    load,
    ownership,
    parsed_conditions,
    peer_of,
    refusals_shown,
    selected,
    settings_as_owner,
    takes,
)
from scp.cli.output import FileProgress, Shown, say, say_json, shown, size
from scp.config import Service, Settings
from scp.network.association import NoAssociationError
from scp.network.fetching import (
    Fetch,
    Fetched,
    Hours,
    Missing,
    Plan,
    RemoteArchive,
    StudyPlan,
    remote_asked,
)
from scp.network.scu import Getting, Inquirer, Moving, PeerError, RetrieveOrigin
from scp.network.tls import contexts
from scp.node import archive_to_store, open_to_store
from scp.runtime import MANY, tell
from storage import Archive
from storage.dicom.values import UNIQUE, Level
from storage.maintenance.changes import AnyUid, Everything, Named, Selection
from storage.maintenance.recovery import settle_index

app = Commands()

_MOST_TOLD = 20


class By(StrEnum):
    """How instances are asked for."""

    AUTO, GET, MOVE = "auto", "get", "move"


@app.command()
@takes(named=selected)
def fetch(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    named: "Sequence[Named]",
    conditions: Conditions = None,
    level: Annotated[
        LevelName,
        typer.Option("--level", "-l", help="Whole studies that match, or no more than the series "
                     "or instances."),
    ] = LevelName.STUDY,
    by: Annotated[
        By, typer.Option(help="C-GET, C-MOVE to this node, or what the peer grants of the two.")
    ] = By.AUTO,
    at_once: Annotated[
        int, typer.Option("--associations", min=1, max=16, help="So many studies at once.")
    ] = 1,
    pause: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Rest between studies.")
    ] = 0,
    between: Annotated[
        str, typer.Option(metavar="HH:MM-HH:MM", help="Bring studies in these hours only.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:  # fmt: skip
    """Bring studies of a peer here: what matches, or is named; what is held is not brought again.

    After an interruption the same command goes on. Of a CSV file, as of --where, each line is asked
    of the peer.
    """
    hours = _hours(between)
    with refusals_shown():
        tls = contexts(load(path))
    settings = settings_as_owner(path, ownership.IMPORTS)
    peer = peer_of(settings, title)
    wanted = _wanted(named, parsed_conditions(conditions), max(LEVELS[level], Level.STUDY))
    origin = RetrieveOrigin(settings, tls, title, peer)
    inquiring = Inquirer(settings, tls, title, peer)
    with refusals_shown(), _storing(settings) as (archive, is_alone), inquiring as inquirer:
        run = _Run(origin, inquirer, archive, is_alone, by, as_json)
        whole = run.tell(wanted) if dry_run else run.bring(wanted, at_once, pause, hours)
    raise typer.Exit(0 if whole else 1)


# Ways to ask a peer for what is named, of which the first that finds something counts.
Ways = list[tuple[Level, list[tuple[str, str]]]]


def _hours(text: str) -> Hours | None:
    try:
        return Hours.read(text) if text else None
    except ValueError as error:
        raise failure(f"--between: {error}") from None


@contextmanager
def _storing(settings: Settings) -> Iterator[tuple[Archive, bool]]:
    """The archive, to store to, and whether no node serves it. Raises ArchiveError."""
    with shown("fetch") as progress:
        owns = open_to_store(settings, FileProgress(progress, "making the index anew"))
    archive = archive_to_store(settings)
    try:
        yield archive, owns
    finally:
        archive.close_thread()
        if owns:
            settle_index(settings.storage.path)


def _wanted(
    named: Sequence[Named], conditions: list[tuple[str, str]], level: Level
) -> list[tuple[str, Ways]]:
    """Of all that is named, in words, how it is asked."""
    if not named and not conditions:
        raise failure("takes Keyword=VALUE, --patient, --study, --series, --instance or --from")
    found: list[tuple[str, Ways]] = []
    for one in named:
        if isinstance(one, Everything):
            found.append((str(one), [(level, [])]))
        elif isinstance(one, Selection):
            at = max(one.level, Level.STUDY)
            found.append((str(one), [(at, [(UNIQUE[one.level].keyword, one.uid)])]))
        elif isinstance(one, AnyUid):
            ways = [(at, [(UNIQUE[at].keyword, one.uid)]) for at in list(Level)[1:]]
            found.append((str(one), ways))
        else:
            found.append((str(one), [(level, list(one.conditions))]))
    if conditions:
        words = " ".join(f"{keyword}={value}" for keyword, value in conditions)
        found.append((words, [(level, conditions)]))
    return found


class _Run:
    """One run of the command: what is asked, brought, and told."""

    def __init__(
        self, origin: RetrieveOrigin, inquirer: Inquirer, archive: Archive, is_alone: bool, by: By,
        as_json: bool,
    ) -> None:  # fmt: skip
        self._origin, self._inquirer, self._archive = origin, inquirer, archive
        self._is_alone, self._by, self._as_json = is_alone, by, as_json
        self._absent: list[str] = []
        self._started = time.monotonic()

    def tell(self, wanted: list[tuple[str, Ways]]) -> bool:
        """Say what would be brought; whether the peer has all that is named."""
        fetch = Fetch(self._archive, self._inquirer.find, self._retriever, lambda size: None)
        found = []
        for plan in self._plan(wanted):
            one = fetch.listed(plan) or Fetched(plan, len(plan.held))
            found.append(one)
            count = "unknown" if plan.untold else len(plan.missing)
            if not self._as_json:
                say(f"study {plan.uid}: {one.fault or _listed(one)}, missing={count}")
        if self._as_json:
            say_json([_as_json(one, dry=True) for one in found])
        studies = sum(not one.plan.is_here for one in found)
        missing = sum(len(one.plan.missing) for one in found)
        way = f"C-{self._service.name}"
        say(f"would ask by {way} for studies={studies}, instances={missing}", err=self._as_json)
        return not self._absent and all(not one.fault for one in found)

    def bring(
        self, wanted: list[tuple[str, Ways]], at_once: int, pause: float, hours: Hours | None
    ) -> bool:
        """Bring what is named, and say what is missing; whether nothing is."""
        found: list[Fetched] = []
        ended_by = ""
        with shown("fetch") as progress:
            progress.begin(f"asking {self._origin.title}", 0, "files")
            plans = self._plan(wanted)
            progress.begin(f"fetching from {self._origin.title}", len(plans), "studies")
            arrived = [0, 0]

            def note(count: int) -> None:
                arrived[0] += 1
                arrived[1] += count
                progress.name(f"{arrived[0]:,} instances, {size(arrived[1])}")

            fetch = Fetch(
                self._archive, self._inquirer.find, self._retriever, note, at_once, pause, hours
            )
            try:
                for one in fetch.run(plans, progress.name):
                    found.append(one)
                    progress.advance(1)
                    self._tell_missing(one, progress)
            except KeyboardInterrupt:
                ended_by = "interrupted: run it again to go on"
        return self._sum_up(found, len(plans), ended_by)

    def _plan(self, wanted: list[tuple[str, Ways]]) -> list[StudyPlan]:
        """The studies of all that is named. Ends the command where the peer does not answer."""
        plan, remote = Plan(), RemoteArchive(self._inquirer.find)
        try:
            for words, ways in wanted:
                asked = (remote_asked(level, where, ()) for level, where in ways)
                if not any(plan.add(remote, one) for one in asked):
                    self._absent.append(words)
                    say(f"{words}: {self._origin.title} has nothing", err=True)
        except (NoAssociationError, PeerError) as error:
            raise failure(f"{self._origin.title} {error}", 1) from None
        if plan.unnamed:
            words = f"answers={plan.unnamed} without the UIDs of what they are: not brought"
            self._absent.append(words)
            say(f"minipacs: {self._origin.title}: {words}", err=True)
        if remote.unheeded:
            say(f"minipacs: {self._origin.title} does not answer {', '.join(remote.unheeded)}: "
                "more may be brought than was asked for", err=True)  # fmt: skip
        return list(plan.studies.values())

    def _retriever(self, note: Callable[[int], None]) -> Getting | Moving:
        """What asks for instances, by what was chosen or the peer grants."""
        if self._service is Service.GET:
            return Getting(self._origin, note, self._archive)
        return Moving(self._origin, note)

    @cached_property
    def _service(self) -> Service:
        title, settings = self._origin.title, self._origin.settings
        try:
            granted = self._inquirer.grants()
        except NoAssociationError as error:
            raise failure(f"{title} {error}", 1) from None
        ways = [Service.GET, Service.MOVE] if self._by is By.AUTO else [Service(self._by.value)]
        service = next((one for one in ways if one in granted), None)
        if service is None:
            words = " and no ".join(f"C-{one.name}" for one in ways)
            raise failure(f"{title} grants no {words}", 1)
        if service is Service.MOVE and self._is_alone:
            raise failure(
                f"{title} is to send to {settings.node.ae_title} by C-MOVE, which does not run: "
                "start it by `minipacs serve`, and have that peer know its address", 1
            )  # fmt: skip
        return service

    def _tell_missing(self, one: Fetched, progress: Shown) -> None:
        if self._as_json or one.is_whole:
            return
        reasons = Counter(missing.reason for missing in one.missing)
        for reason, count in reasons.most_common(_MOST_TOLD):
            progress.say(f"study {one.plan.uid}: missing={count}: {reason}")
        if one.fault and one.fault not in reasons:
            progress.say(f"study {one.plan.uid}: {one.fault}")

    def _sum_up(self, found: list[Fetched], studies: int, ended_by: str) -> bool:
        seconds = time.monotonic() - self._started
        counts = {
            "studies": studies, "fetched": sum(one.arrived for one in found),
            "held": sum(one.held_before for one in found),
            "missing": sum(len(one.missing) for one in found),
        }  # fmt: skip
        uids = [one.plan.uid for one in found if one.arrived][:MANY]
        tell(
            self._origin.settings, "fetch", source=self._origin.title, uids=uids, **counts,
            ended_by=ended_by, seconds=round(seconds, 3),
        )  # fmt: skip
        if self._as_json:
            say_json([_as_json(one) for one in found])
        words = ", ".join(f"{name}={count}" for name, count in counts.items())
        came = size(sum(one.bytes for one in found))
        say(f"from {self._origin.title}: {words}, {came}, seconds={seconds:.1f}", err=self._as_json)
        if ended_by:
            say(f"minipacs: {ended_by}", err=True)
        return not (ended_by or self._absent) and all(one.is_whole for one in found)


def _listed(one: Fetched) -> str:
    return f"instances={len(one.plan.listed)}, held={one.held_before}"


def _as_json(one: Fetched, dry: bool = False) -> dict[str, object]:
    plan = one.plan
    missing = [Missing(uids, "") for uids in plan.missing] if dry else one.missing
    return {
        "StudyInstanceUID": plan.uid, "PatientID": plan.patient,
        "instances": len(plan.listed), "held": one.held_before,
        "fetched": 0 if dry else one.arrived,
        "missing": [{"SOPInstanceUID": each.uids[2], "reason": each.reason} for each in missing],
        "fault": one.fault,
    }  # fmt: skip
