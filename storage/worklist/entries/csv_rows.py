"""Rows of a table, as spreadsheets and practice systems write it, to values of entries: pure.

Columns are keywords or what people call them; dates are as they are written where that is told
without doubt. Each fault says its row, as a spreadsheet counts them: the header is the first.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword

from storage.worklist.entries.entry import EntryError
from storage.worklist.entries.values import is_date

_DELIMITERS = ";,\t"
_MOST_ROWS = 10_000
_FAMILY, _GIVEN = "family", "given"
# What a column is for, by what it may be called; without case, accents and what is no letter.
_ALIASES = {
    keyword: names.split()
    for keyword, names in {
        "PatientName": "name patient patientname patientsname patientenname fullname nom",
        _FAMILY: "family familyname lastname surname nachname familienname nomdefamille",
        _GIVEN: "given givenname firstname vorname prenom",
        "PatientID": "id patientid patientsid patid mrn pid patientennummer patnr patientnr "
        "subject subjectid pseudonym",
        "PatientBirthDate": "birthdate dateofbirth dob born geb geburtsdatum gebdat "
        "datedenaissance",
        "PatientSex": "sex gender geschlecht sexe",
        "PatientWeight": "weight gewicht weightkg",
        "PatientSize": "size height",
        "AccessionNumber": "accession accessionnumber accessionno accnr order ordernumber "
        "auftrag auftragsnummer",
        "Modality": "modality modalitat modalitaet modalite mod",
        "ScheduledStationAETitle": "station aet aetitle ae stationaetitle scanner device gerat "
        "geraet",
        "ScheduledProcedureStepStartDate": "date day datum termin startdate scheduleddate tag",
        "ScheduledProcedureStepStartTime": "time zeit uhrzeit starttime scheduledtime heure",
        "RequestedProcedureDescription": "procedure description examination exam untersuchung "
        "beschreibung study studydescription examen",
        "ScheduledProcedureStepDescription": "step stepdescription protocol protokoll",
        "ReferringPhysicianName": "referring referrer referringphysician zuweiser uberweiser",
        "RequestingPhysician": "requesting requester anforderer",
        "ScheduledPerformingPhysicianName": "performing radiologist physician arzt operator",
        "ScheduledStationName": "room raum stationname",
        "CurrentPatientLocation": "ward location",
        "RequestedProcedurePriority": "priority prioritat",
        "Allergies": "allergies allergien",
        "PatientComments": "comment comments remark bemerkung",
    }.items()
}
_BY_NAME = {name: keyword for keyword, names in _ALIASES.items() for name in names}
_SEXES = {
    **dict.fromkeys(("m", "male", "man", "mannlich", "maennlich", "homme"), "M"),
    **dict.fromkeys(("f", "w", "female", "woman", "weiblich", "femme"), "F"),
    **dict.fromkeys(("o", "d", "x", "other", "divers", "unknown"), "O"),
}
_ISO = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:T.*)?", re.ASCII)
_LOCAL = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2})[:.h](\d{2})(?:[:.](\d{2}))?\s*([ap]\.?m\.?)?", re.ASCII | re.I)


@dataclass(frozen=True)
class Row:
    """A row, as a spreadsheet counts it, and its values by keyword."""

    number: int
    values: Mapping[str, str]


def text_of(data: bytes) -> str:
    """A file's text: UTF-8, else what Windows writes here (cp1252)."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read(text: str, named: Mapping[str, str], dates: str = "") -> list[Row]:
    """The rows of a table. `named`: column to keyword, or to nothing where it is left out.

    `dates`: dmy or mdy, where 03/04/2026 is not told by another date of its column. Raises
    EntryError, with all that is wrong.
    """
    table = _table(text)
    if not table:
        raise EntryError("row 1: is empty: takes the names of columns")
    (_, header), *rows = table
    keywords = _keywords(header, named)
    if len(rows) > _MOST_ROWS:
        raise EntryError(f"has {len(rows)} rows, {_MOST_ROWS} are taken at a time")
    faults: list[str] = []
    for number, row in rows:
        if len(row) > len(header) and any(row[len(header) :]):
            faults.append(
                f"row {number}: has {len(row)} columns, the first row names {len(header)}"
            )
    orders = {
        at: _order([row[at] for _, row in rows if at < len(row)], dates)
        for at, keyword in enumerate(keywords)
        if _vr(keyword) == "DA"
    }
    found = []
    for number, row in rows:
        values: dict[str, str] = {}
        for at, (keyword, value) in enumerate(zip(keywords, row, strict=False)):
            if keyword:
                try:
                    values[keyword] = _value(keyword, value.strip(), orders.get(at, ""))
                except ValueError as error:
                    faults.append(f"row {number}: {header[at].strip()}: {error}")
        found.append(Row(number, _with_name(values)))
    if faults:
        raise EntryError(*faults)
    return found


def _table(text: str) -> list[tuple[int, list[str]]]:
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found, number = [], 0
    try:
        for row in rows:
            number += 1
            if any(cell.strip() for cell in row):
                found.append((number, row))
    except csv.Error as error:
        raise EntryError(f"row {number + 1}: {error}") from None
    return found


def _keywords(header: list[str], named: Mapping[str, str]) -> list[str]:
    """The keyword of each column, empty for what is left out. Raises EntryError."""
    found: list[str] = []
    faults = []
    wanted = {_plain(column): keyword for column, keyword in named.items()}
    for column in header:
        plain = _plain(column)
        if plain in wanted:
            keyword = wanted.pop(plain)
        elif not plain:
            keyword = ""
        else:
            keyword = _BY_NAME.get(plain, column.strip())
        root = keyword.split(".")[0]
        if keyword and keyword not in (_FAMILY, _GIVEN) and tag_for_keyword(root) is None:
            faults.append(
                f'row 1: column "{column.strip()}" is no keyword: --map "{column.strip()}=KEYWORD" '
                "says what it is, without a keyword that it is left out"
            )
        elif keyword and keyword in found:
            faults.append(f'row 1: column "{column.strip()}" is {keyword} once more')
        found.append(keyword)
    faults += [f'--map: there is no column "{column}"' for column in wanted]
    if faults:
        raise EntryError(*faults)
    return found


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in decomposed if c.isalnum())


def _vr(keyword: str) -> str:
    tag = tag_for_keyword(keyword.split(".")[-1])
    return dictionary_VR(tag).split(" ")[0] if tag is not None else ""


def _order(values: Iterable[str], given: str) -> str:
    """How the dates of a column are written: dmy or mdy; empty where that is not told."""
    if given:
        return given
    slashed = [m for v in values if (m := _LOCAL.fullmatch(v.strip())) and m[2] == "/"]
    orders = {"mdy" if int(m[3]) > 12 else "dmy" for m in slashed if max(int(m[1]), int(m[3])) > 12}
    return orders.pop() if len(orders) == 1 else ""


def _value(keyword: str, value: str, order: str) -> str:
    """A value in DICOM's form, as far as it is told. Raises ValueError."""
    vr = _vr(keyword)
    if not value:
        return ""
    if vr == "DA":
        return _date(value, order)
    if vr == "TM":
        return _time(value)
    if vr == "PN" and "," in value and "^" not in value:
        family, _, given = value.partition(",")
        return f"{family.strip()}^{given.strip()}"
    if keyword == "PatientSex":
        return _SEXES.get(_plain(value), value)
    if vr in ("DS", "IS") and re.fullmatch(r"\d+,\d+", value):
        return value.replace(",", ".")
    return value


def _date(value: str, order: str) -> str:
    if match := _ISO.fullmatch(value):
        return match[1] + match[2] + match[3]
    match = _LOCAL.fullmatch(value)
    if not match:
        raise ValueError(f'takes a date such as 2026-11-29 or 29.11.2026, not "{value[:40]}"')
    first, between, second, year = int(match[1]), match[2], int(match[3]), match[4]
    if between == "/" and not order and first != second and max(first, second) <= 12:
        raise ValueError(f'"{value}" may be two dates: --dates dmy or --dates mdy says which')
    day, month = (second, first) if between == "/" and order == "mdy" else (first, second)
    found = f"{year}{month:02d}{day:02d}"
    if not is_date(found):
        raise ValueError(f'"{value}" is no date')
    return found


def _time(value: str) -> str:
    match = _CLOCK.fullmatch(value)
    if not match:
        return value  # HHMM, or held to its form with all others
    hour, half = int(match[1]), (match[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f'"{value}" is no time')
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return f"{hour:02d}{match[2]}{match[3] or ''}"


def _with_name(values: dict[str, str]) -> dict[str, str]:
    """The same with family and given name as one."""
    family, given = values.pop(_FAMILY, ""), values.pop(_GIVEN, "")
    if (family or given) and not values.get("PatientName"):
        values["PatientName"] = f"{family}^{given}".rstrip("^")
    return values
