"""What files and rows tell of the entities above an instance."""

import json
from collections.abc import Iterator

from storage.diagnostics import ArchiveError
from storage.dicom import Header, instance_header, part10
from storage.dicom.values import UID_KEYWORDS, Level, Uids
from storage.files import Files
from storage.index import Index, Row, pages, row_of
from storage.query import fold

# What one patient has one of.
_OF_PERSON = {"PatientName": "PN", "PatientBirthDate": "DA", "PatientSex": "CS"}


def persons_in_one(index: Index, patient: Row) -> Iterator[tuple[str, list[str]]]:
    """Where instances of one Patient ID tell of different people: the column, and the texts."""
    if not patient.values["PatientID"]:
        return
    told = [json.loads(text) for text in pages.told_of_patient(index, patient)]
    for column, vr in _OF_PERSON.items():
        forms: dict[str, str] = {}
        for text in (texts[column] for texts in told if column in texts):
            # Groups other than the alphabetic one are often left out.
            form = fold(vr, text.split("=")[0] if vr == "PN" else text)
            if form:
                forms.setdefault(form, text)
        if len(forms) > 1:
            yield column, list(forms.values())


def belongs(row: Row, header: Header) -> bool:
    """Whether an instance is one of the entity, by its header."""
    made = row_of(row.level, header)
    return all(row.values[name] == made[name] for name in _identity(row))


def _identity(row: Row) -> tuple[str, ...]:
    if row.level is Level.PATIENT:
        return "PatientID", "IssuerOfPatientID", "of_study"
    return (UID_KEYWORDS[row.level - 1],)


def read_header(files: Files, uids: Uids, charset: str) -> Header | None:
    """The header of an instance's file, or None where it has none: that is told elsewhere."""
    try:
        with files.open(uids) as file:
            meta = part10.read(file)
            return instance_header.header(file, meta.transfer_syntax_uid, charset)
    except (ArchiveError, OSError):
        return None
