"""`minipacs export`: what is held, as files for others."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydicom.uid import UID, ExplicitVRLittleEndian

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
from scp.copies.conversion.data_set import TranscodeError, chained
from scp.copies.corrected import Copies, reachable, transcode_file
from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.copies.export import (
    Directory,
    ForMedia,
    Names,
    Readable,
    RecordError,
    Target,
    archive,
    folder,
)
from scp.node import opened
from scp.runtime import MANY, tell
from storage import Archive, Location
from storage.diagnostics import ArchiveError, ResourceError
from storage.dicom import instance_header, part10
from storage.dicom.data_sets import WHOLE, read_data_set
from storage.maintenance.changes import Named

app = Commands()

_EXPLICIT = str(ExplicitVRLittleEndian)
# The transfer syntaxes of the General Purpose profiles of PS3.11 annexes D, H and J: JPEG
# Baseline, Extended and Lossless, JPEG 2000.
_ON_MEDIA = frozenset({
    _EXPLICIT, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
})  # fmt: skip
_LAST_HEADER_TAG = 0x7FDFFFFF


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
class _Done:
    instances: int = 0
    bytes: int = 0
    failed: int = 0
    studies: dict[str, None] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)  # for a machine


def run(
    settings: Settings, wanted: Export, copies: Copies, held: Archive,
    report: DeidentificationReport,
) -> bool:  # fmt: skip
    """Export, and show what becomes of it; whether all is there. Raises ArchiveError."""
    started = time.monotonic()
    locations, absent = selection.held(held, wanted.named, settings.storage.charset)
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
            _Run(wanted, copies, target, progress, done).all(locations)
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
    say(f"{selection.words(wanted.named)} to {wanted.to}: exported={done.instances}, "
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


class _Run:
    """One export."""

    def __init__(
        self, wanted: Export, copies: Copies, target: Target, progress: Shown, done: _Done
    ) -> None:
        self._copies, self._target, self._progress, self._done = copies, target, progress, done
        self._names: Names = ForMedia() if wanted.dicomdir else Readable()
        self._directory = Directory() if wanted.dicomdir else None
        self._as_json = wanted.as_json
        self._written: set[str] = set()

    def all(self, locations: Sequence[Location]) -> None:
        """Each instance, then the DICOMDIR. Raises OSError where the target takes no more."""
        for location in locations:
            # What lies in the tree may be unreadable: that is this instance's fault alone.
            fault = self._fault_of(location)
            if fault:
                self._done.failed += 1
                self._tell(location, fault)
            self._progress.advance(location.file_bytes)
        if self._directory:
            self._target.add("DICOMDIR", BytesIO(self._directory.encoded()), compress=True)

    def _tell(self, location: Location, fault: str) -> None:
        study, series, instance = location.uids
        if self._as_json:
            problem = {"study": study, "series": series, "instance": instance, "reason": fault}
            self._done.problems.append(problem)
        else:
            self._progress.say(f"{instance}: not exported: {fault}")

    def _fault_of(self, location: Location) -> str:
        """Why an instance is not exported, or nothing. Raises OSError as `all` does."""
        try:
            fault = self._copies.fault_of(location)
            if fault:
                return fault
            file = self._copies.open(location).file
        except (ArchiveError, OSError) as error:
            return str(error)
        with file:
            try:
                source, header, name = self._prepared(file, location)
            except (ArchiveError, TranscodeError, RecordError) as error:
                return str(error)
            with source:
                self._done.bytes += self._target.add(name, source, _compresses(header))
        self._done.instances += 1
        self._done.studies[location.uids[0]] = None
        return ""

    def _prepared(
        self, file: BinaryIO, location: Location
    ) -> tuple[BinaryIO, part10.FileMeta, str]:
        """The Part 10 file to be written, at its start, with its header and name."""
        meta = part10.read(file)
        header = instance_header.header(file, meta.transfer_syntax_uid, location.charset)
        name = self._names.name(header)
        if name in self._written:
            raise RecordError(f"another instance is {name} already")
        file.seek(0)
        source = file
        if self._directory:
            source, meta = _for_media(file, meta)
            self._enter(source, meta, location.charset, name)
        self._written.add(name)
        return source, meta, name

    def _enter(self, source: BinaryIO, meta: part10.FileMeta, charset: str, name: str) -> None:
        assert self._directory
        part10.read(source)
        header = read_data_set(
            source, meta.transfer_syntax_uid, last_tag=_LAST_HEADER_TAG, limits=WHOLE
        )
        if not header.get("SpecificCharacterSet") and charset:
            header.SpecificCharacterSet = charset
        self._directory.add(header, meta, name)
        source.seek(0)


def _for_media(file: BinaryIO, meta: part10.FileMeta) -> tuple[BinaryIO, part10.FileMeta]:
    """The file in a transfer syntax that General Purpose media take, where it can be had."""
    if meta.transfer_syntax_uid in _ON_MEDIA or _EXPLICIT not in reachable(
        meta.transfer_syntax_uid
    ):
        return file, meta
    head = part10.header(meta.sop_class_uid, meta.sop_instance_uid, _EXPLICIT)
    converted = transcode_file(file, _EXPLICIT)
    return chained(head, converted, 0), part10.FileMeta(
        meta.sop_class_uid, meta.sop_instance_uid, _EXPLICIT, len(head)
    )


def _compresses(meta: part10.FileMeta) -> bool:
    """Whether it is worth while to compress it: pixels and data sets that are not yet."""
    syntax = UID(meta.transfer_syntax_uid)
    return syntax.is_transfer_syntax and not syntax.is_private and not syntax.is_compressed
