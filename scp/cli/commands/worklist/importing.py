"""`minipacs worklist import`: a table of entries: all of it, or nothing."""

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.commands.worklist import common
from scp.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, DryRun, failure
from scp.cli.output import rows, say, say_json
from scp.runtime import tell
from storage.worklist import Worklist
from storage.worklist.entries import Entry, EntryError, completed, csv_rows, from_values, to_values

_STEP_ID, _ACCESSION = "ScheduledProcedureStepID", "AccessionNumber"
_STANDARD_INPUT = "-"


def import_csv(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file; - is standard input.")],
    named: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=KEYWORD",
            help="What a column is; without a keyword it is left out. May be given several times.",
        ),
    ] = None,
    dates: Annotated[
        str, typer.Option(metavar="dmy|mdy", help="How 03/04/2026 is meant, where nothing tells.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take entries from a table: all of its rows, or none where one is wrong.

    The first row names the columns, by keywords or as people call them; commas, semicolons or
    tabs; UTF-8 or cp1252; dates as they are written here. The same Accession Number and step
    updates an entry.
    """
    if dates not in ("", "dmy", "mdy"):
        raise failure(f'--dates: takes dmy or mdy, not "{dates}"')
    columns = dict(_pair(text) for text in named or ())
    data = _data(file)
    with common.opened(path) as (settings, worklist):
        try:
            entries = _entries(csv_rows.read(csv_rows.text_of(data), columns, dates), worklist)
        except EntryError as error:
            lines = [f"{file}: {fault}" for fault in error.faults]
            raise failure("\n".join([*lines, "nothing is taken"]), 1) from None
        if entries and not dry_run:
            written = worklist.put_together(_title(file, entries), entries)
            (file, *more) = written
            tell(settings, "worklist-import", entries=len(entries), file=None if more else file)
            common.warn_unserved(settings)
    if as_json:
        say_json([to_values(entry) for entry in entries])
        return
    if dry_run:
        with rows.Columns() as form:
            for entry in entries:
                form.add(_row(entry))
    say(f"{'would take' if dry_run else 'took'} entries={len(entries)}")


def _pair(text: str) -> tuple[str, str]:
    column, is_one, keyword = text.partition("=")
    if not is_one or not column.strip():
        raise failure(f'--map: takes COLUMN=KEYWORD such as "Geb.=PatientBirthDate", not "{text}"')
    return column, keyword.strip()


def _data(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == _STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise failure(f"{file}: {error.strerror}") from None


def _entries(found: list[csv_rows.Row], worklist: Worklist) -> list[Entry]:
    """The entries of rows. Raises EntryError, with the faults of all rows."""
    identity = worklist.identity()
    made: list[Entry] = []
    faults: list[str] = []
    first_of: dict[tuple[str, str], int] = {}
    steps: dict[str, int] = {}
    for row in found:
        values = dict(row.values)
        number = values.get(_ACCESSION, "")
        if number and not values.get(_STEP_ID):  # several steps of one order
            steps[number] = steps.get(number, 0) + 1
            values[_STEP_ID] = _step_id(number, steps[number])
        try:
            seed = "\0".join(f"{key}={value}" for key, value in sorted(values.items()))
            (entry,) = completed(from_values(values), identity, seed)
            worklist.check([entry])
        except EntryError as error:
            faults += [f"row {row.number}: {fault}" for fault in error.faults]
            continue
        if entry.key in first_of:
            what = f"Accession Number {entry.accession} with step {entry.step_id}"
            faults.append(f"row {row.number}: {what} is in row {first_of[entry.key]} already")
        first_of.setdefault(entry.key, row.number)
        faults += _of_others(row.number, entry, made)
        made.append(entry)
    if faults:
        raise EntryError(*faults)
    return made


def _step_id(accession: str, number: int) -> str:
    step_id = f"{accession}-{number}"
    return step_id if len(step_id) <= 16 else str(number)


def _of_others(number: int, entry: Entry, before: list[Entry]) -> list[str]:
    """What of a row is another patient's in the same table."""
    for other in before:
        if other.study_uid == entry.study_uid and other.patient_id != entry.patient_id:
            return [f"row {number}: Study Instance UID {entry.study_uid} is that of patient "
                    f"{other.patient_id} too"]  # fmt: skip
        same = other.accession and other.accession == entry.accession
        if same and other.patient_id != entry.patient_id:
            return [f"row {number}: Accession Number {entry.accession} is that of patient "
                    f"{other.patient_id} too"]  # fmt: skip
    return []


def _title(file: str, entries: list[Entry]) -> str:
    """What the file of entries is called: another one for a table of other entries."""
    stem = "stdin" if file == _STANDARD_INPUT else Path(file).stem
    keys = "\0".join(sorted("/".join(entry.key) for entry in entries))
    return f"{stem[:24]}-{hashlib.blake2b(keys.encode(), digest_size=6).hexdigest()}"


def _row(entry: Entry) -> dict[str, object]:
    return {
        "Date": entry.day,
        "Time": entry.time[:4],
        "Modality": entry.modality,
        "Station": "\\".join(entry.stations),
        "PatientID": entry.patient_id,
        "PatientName": entry.patient_name,
        "BirthDate": entry.text_of("PatientBirthDate"),
        "Sex": entry.text_of("PatientSex"),
        "Accession": entry.accession,
        "Step": entry.step_id,
        "Procedure": entry.text_of("RequestedProcedureDescription"),
    }
