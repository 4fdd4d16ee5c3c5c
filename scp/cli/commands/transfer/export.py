"""`minipacs export`: what is held, as files for others."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.commands.transfer.deidentify import MapFile, mapping, profile_asked_for
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    required,
    selection,
    settings_as_owner,
    takes,
)
from scp.cli.output import Shown, say, say_json, shown, size
from scp.config import Settings
from scp.copies.corrected import Copies
from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.copies.export import Exported, Target, archive, exporting, folder
from scp.node import opened
from scp.runtime import MANY, tell
from storage import Archive, Location
from storage.diagnostics import ArchiveError, ResourceError
from storage.maintenance.changes import Named, all_held, in_words

app = Commands()


@app.command()
@takes(named=required, profile=profile_asked_for)
def export(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty, or is made.")],
    named: "Sequence[Named]",
    profile: Profile | None,
    zipped: Annotated[bool, typer.Option("--zip", help="DIR is one zip file instead.")] = False,
    dicomdir: Annotated[
        bool,
        typer.Option(
            "--dicomdir",
            help="For media: a DICOMDIR, names of 8 characters, General Purpose profile.",
        ),
    ] = False,
    map_file: MapFile = "",
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write patients, studies, series or instances as DICOM files."""
    if map_file and not profile:
        raise failure("--map: takes --deidentify")
    settings = settings_as_owner(path)
    how = str(profile) if profile else ""
    wanted = Export(tuple(named), to, zipped, dicomdir, how, as_json)
    with refusals_shown(), opened(settings) as held, mapping(map_file, to) as note:
        report = DeidentificationReport(note)
        try:
            copies = copies_for(held, settings.node.ae_title, profile, report)
            whole = run(settings, wanted, copies, held, report)
        except ResourceError as error:  # well asked for: it is the disk that ends it
            say(f"minipacs: {error}", err=True)
            whole = False
    raise typer.Exit(0 if whole else 1)


@dataclass(frozen=True)
class Export:
    """What is asked for; `how` is what was done to the copies, for the audit trail."""

    named: tuple[Named, ...]
    to: Path
    zipped: bool
    dicomdir: bool
    how: str = ""
    as_json: bool = False


@dataclass
class _Done(Exported):
    problems: list[dict[str, str]] = field(default_factory=list)  # for a machine


def run(
    settings: Settings, wanted: Export, copies: Copies, held: Archive,
    report: DeidentificationReport,
) -> bool:  # fmt: skip
    """Export, and show what becomes of it; whether all is there. Raises ArchiveError."""
    started = time.monotonic()
    locations, absent = all_held(held, wanted.named, settings.storage.charset)
    done, outcome = _Done(), "done"
    if not wanted.as_json:
        selection.tell_absent(absent)
    elif not locations:
        _show(wanted, done, absent, report, 0.0)
    if not locations:
        return False
    make: Callable[[Path, Path], AbstractContextManager[Target]]
    make = archive if wanted.zipped else folder
    try:
        with make(wanted.to, settings.storage.path) as target, shown("export") as progress:
            progress.begin(f"exporting to {wanted.to}", sum(one.file_bytes for one in locations))
            written = exporting.Export(
                copies, target, wanted.dicomdir, done, _telling(wanted, done, progress)
            )
            written.all(locations, progress.advance)
    except (ArchiveError, KeyboardInterrupt) as error:
        outcome = str(error) or "interrupted"
        raise
    finally:
        _tell(settings, wanted, done, outcome, time.monotonic() - started)
    seconds = time.monotonic() - started
    _show(wanted, done, absent, report, seconds)
    return not done.failed and not absent


def _show(
    wanted: Export, done: _Done, absent: Sequence[Named], report: DeidentificationReport,
    seconds: float,
) -> None:  # fmt: skip
    """Show what became of it."""
    if wanted.as_json:
        say_json({
            "to": str(wanted.to), "exported": done.instances, "failed": done.failed,
            "bytes": done.bytes, "seconds": round(seconds, 3), "problems": done.problems,
            "absent": [str(one) for one in absent], "deidentification": report.lines(),
        })  # fmt: skip
        return
    say(f"{in_words(wanted.named)} to {wanted.to}: exported={done.instances}, "
               f"failed={done.failed}, {size(done.bytes)}, seconds={seconds:.1f}")  # fmt: skip
    for line in report.lines():
        say(line)


def _tell(settings: Settings, wanted: Export, done: _Done, outcome: str, seconds: float) -> None:
    fields = {"deidentified": wanted.how} if wanted.how else {}
    tell(
        settings, "export", to=str(wanted.to), studies=list(done.studies)[:MANY], **fields,
        exported=done.instances, failed=done.failed, bytes=done.bytes, outcome=outcome,
        seconds=round(seconds, 3),
    )  # fmt: skip


def _telling(wanted: Export, done: _Done, progress: Shown) -> Callable[[Location, str], None]:
    """What tells of an instance that is not exported."""

    def tell(location: Location, fault: str) -> None:
        study, series, instance = location.uids
        if wanted.as_json:
            problem = {"study": study, "series": series, "instance": instance, "reason": fault}
            done.problems.append(problem)
        else:
            progress.say(f"{instance}: not exported: {fault}")

    return tell
