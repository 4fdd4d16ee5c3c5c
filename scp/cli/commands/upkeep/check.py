"""What `minipacs check` shows: faults as lines or as JSON, and how far it is."""

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    age_in_seconds,
    asking,
    failure,
    ownership,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import Shown, say, say_json, shown
from scp.config import Settings
from scp.node import opened
from scp.runtime import MANY, tell
from storage import Archive
from storage.archive import counts, held_bytes
from storage.diagnostics import ArchiveError, FolderError, ResourceError
from storage.files import is_free
from storage.maintenance.check import Acceptances, Fault, Share, rights_faults
from storage.maintenance.check import check as faults_of

logger = logging.getLogger(__name__)

app = Commands()

_HELD = {"patient": "patients", "study": "studies", "series": "series", "image": "instances"}


@app.command()
def check(
    path: ConfigPath = DEFAULT_CONFIG,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; nothing is deleted.")
    ] = False,
    one_of: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="N",
            min=1,
            help="Read one of N files, others each day: all of them in N days.",
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="36h", help="Read what arrived within hours, days or weeks.")
    ] = "",
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Have the faults that are left be known: later checks only count them."
        ),
    ] = False,
    show_accepted: Annotated[
        bool, typer.Option("--accepted", help="Show those that are known, too.")
    ] = False,
    forget_accepted: Annotated[
        bool,
        typer.Option("--forget-accepted", help="Check nothing; have all that are known be new."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Compare tree, index and digests; each fault a line, exit code 1 with any.

    With --sample or --since some files are read, and of the others it is seen that they are there.
    """
    if forget_accepted and (repair or accept or show_accepted or as_json):
        raise failure("--forget-accepted: takes nothing beside it but --yes")
    if accept and as_json and not yes:
        raise failure("--json: takes --yes beside --accept")
    try:
        share = Share(one_of or 0, time.time() - age_in_seconds(since) if since else None)
    except ValueError as error:
        raise failure(f"--since: {error}") from None
    settings = settings_as_owner(path, ownership.CHECKS)
    with refusals_shown():
        if forget_accepted:
            forget(settings, asking(yes))
            return
        accepting = asking(yes) if accept else None
        left = run(settings, repair, as_json, accepting, show_accepted, share)
    raise typer.Exit(1 if left else 0)


@dataclass
class _Found:
    """The faults of a check: counted, shown as they are found, and held where they must be."""

    as_json: bool
    shows_accepted: bool
    accepts: bool
    faults: int = 0
    mended: int = 0
    left: Counter[str] = field(default_factory=Counter)  # by kind
    held: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault, progress: Shown) -> None:
        """Count one, and show it."""
        self.faults += 1
        self.mended += fault.mended
        if fault.is_left:
            self.left[fault.kind.code] += 1
        if self.as_json or (self.accepts and fault.is_left):
            self.held.append(fault)
        is_news = fault.mended or not fault.accepted
        if not self.as_json and (is_news or self.shows_accepted):
            progress.say(str(fault))

    def words(self, repair: bool) -> str:
        """How many there are."""
        left = self.left.total()
        accepted = self.faults - self.mended - left
        return (
            f"faults={self.faults}"
            + (f", accepted={accepted}" if accepted else "")
            + (f", mended={self.mended}, left={left}" if repair else "")
        )


def run(
    settings: Settings, repair: bool, as_json: bool, accept: Ask | None = None,
    shows_accepted: bool = False, share: Share | None = None,
) -> int:  # fmt: skip
    """Check, and show what is found; returns how many faults are left. Raises ArchiveError.

    `accept`: asks whether these are known from now on.
    """
    storage = settings.storage
    if of_rights := rights_faults.above(storage.path, repair):
        if of_rights[0].path == str(storage.path):  # then there is nothing that could be checked
            where = f"{settings.source}: [storage] path: "
            raise FolderError(f"{where}{of_rights[0]}")
        return _without_looking(of_rights, as_json)
    found = _Found(as_json, shows_accepted, accept is not None)
    with opened(settings) as archive:
        for words in _faults_of_journal(archive):
            say(f"journal: {words}", err=True)
        acceptances = Acceptances(archive)
        with shown("check") as progress:
            entries = settings.worklist_folder
            folder = entries if entries and (settings.worklist or entries.is_dir()) else None
            for fault in faults_of(archive, storage.charset, repair, progress, share, folder):
                found.add(acceptances.marked(fault), progress)
        held, size = counts(archive), held_bytes(archive)
        if not as_json:
            entities = ", ".join(f"{level}={count}" for level, count in held.items())
            say(f"held {entities}, {found.words(repair)}")
        left = found.left.total()
        try:
            if accept and left and _accept(settings, acceptances, found, accept):
                left = 0
        finally:
            if as_json:
                in_force = Acceptances(archive) if accept else acceptances
                document: dict[str, Any] = {_HELD[level]: n for level, n in held.items()}
                document = {"held": {**document, "bytes": size}}
                say_json(document | {"faults": [in_force.marked(f).as_json() for f in found.held]})
    return left


def _accept(settings: Settings, acceptances: Acceptances, found: _Found, ask: Ask) -> bool:
    """Have the faults that are left be known, where that is wanted; whether they are."""
    kinds = ", ".join(f"{kind}={count}" for kind, count in sorted(found.left.items()))
    if not ask(f"left={found.left.total()}: {kinds}. Accept as known?"):
        say("nothing accepted")
        return False
    faults = [fault for fault in found.held if fault.is_left]
    of_studies = (fault.uids[0] for fault in faults if len(fault.uids) > 1)
    done, outcome = 0, "done"
    try:
        with shown("check") as progress:
            progress.begin("accepting", len(faults), "faults")
            for written in acceptances.accept(faults):
                done += written
                progress.advance(written)
    except (ArchiveError, KeyboardInterrupt) as error:
        outcome = str(error) or "interrupted"
        raise
    finally:
        studies = list(dict.fromkeys(of_studies))[:MANY]
        tell(settings, "accept", faults=done, kinds=found.left, studies=studies, outcome=outcome)
    if not found.as_json:
        say(f"accepted={done}: `minipacs check --accepted` shows them, `--forget-accepted` has "
            "them be new again")  # fmt: skip
    return True


def forget(settings: Settings, ask: Ask) -> None:
    """Have all faults that are known be told of again. Raises ArchiveError."""
    with opened(settings) as archive:
        acceptances = Acceptances(archive)
        count = len(acceptances)
        if not count:
            say("accepted=0: there is nothing to forget")
            return
        if not ask(f"accepted={count}. Forget?"):
            say("nothing forgotten")
            return
        acceptances.forget()
        tell(settings, "forget-accepted", faults=count)
    say(f"forgotten={count}: the next check tells of those that are still there")


def _faults_of_journal(archive: Archive) -> list[str]:
    """What was done to the journal's files while they were written."""
    try:
        if is_free(archive.tree.data):  # else, of a folder that was copied, they look moved away
            archive.journal.prepare()
        return archive.journal.faults()
    except OSError as error:
        raise ResourceError(f"{error.filename}: {error.strerror}") from error


def _without_looking(faults: list[Fault], as_json: bool) -> int:
    """Show what keeps a check from all else; returns how many that are."""
    if as_json:
        document = {"held": None, "faults": [fault.as_json() for fault in faults]}
        say_json(document)
        return len(faults)
    for fault in faults:
        say(str(fault))
    say(f"faults={len(faults)}; until they are mended nothing else can be looked at")
    return len(faults)
