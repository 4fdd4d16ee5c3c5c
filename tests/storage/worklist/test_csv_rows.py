"""Tables as spreadsheets and practice systems write them, to values of entries."""

import pytest

from storage.worklist.entries import EntryError
from storage.worklist.entries.csv_rows import read, text_of

FORMS = [
    ("ISO dates", "date", "2026-11-29", "ScheduledProcedureStepStartDate", "20261129"),
    ("DICOM dates", "date", "20261129", "ScheduledProcedureStepStartDate", "20261129"),
    ("dates with points", "Datum", "9.11.2026", "ScheduledProcedureStepStartDate", "20261109"),
    ("dates with slashes, told by the day", "DOB", "29/11/1970", "PatientBirthDate", "19701129"),
    ("the same the other way round", "DOB", "11/29/1970", "PatientBirthDate", "19701129"),
    ("a moment as programs write it", "date", "2026-11-29T09:30:00",
     "ScheduledProcedureStepStartDate", "20261129"),
    ("times with colons", "Uhrzeit", "9:30", "ScheduledProcedureStepStartTime", "0930"),
    ("times with seconds", "time", "09:30:15", "ScheduledProcedureStepStartTime", "093015"),
    ("times of half a day", "time", "1:05 pm", "ScheduledProcedureStepStartTime", "1305"),
    ("midnight", "time", "12:00 AM", "ScheduledProcedureStepStartTime", "0000"),
    ("times as DICOM writes them", "time", "0930", "ScheduledProcedureStepStartTime", "0930"),
    ("a name with a comma", "Name", '"Doe, Jane"', "PatientName", "Doe^Jane"),
    ("a name as DICOM writes it", "PatientName", "Doe^Jane", "PatientName", "Doe^Jane"),
    ("sex in words", "Geschlecht", "weiblich", "PatientSex", "F"),
    ("sex in a letter", "Sex", "m", "PatientSex", "M"),
    ("decimals with a comma", "Gewicht", '"70,5"', "PatientWeight", "70.5"),
    ("a column by its keyword", "AccessionNumber", "A1", "AccessionNumber", "A1"),
    ("a column with accents and case", "GERÄT", "CT01", "ScheduledStationAETitle", "CT01"),
    ("a column in a sequence", "OtherPatientIDsSequence.PatientID", "X",
     "OtherPatientIDsSequence.PatientID", "X"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "cell", "keyword", "value"), [case[1:] for case in FORMS],
                         ids=[case[0] for case in FORMS])  # fmt: skip
def test_a_cell_is_what_it_means(column: str, cell: str, keyword: str, value: str) -> None:
    (row,) = read(f"{column},PatientID\n{cell},1\n", {})
    assert row.values[keyword] == value


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_delimiters_and_encodings(delimiter: str, encoding: str) -> None:
    text = f"Nachname{delimiter}Vorname\r\nMüller{delimiter}Änne\r\n"
    (row,) = read(text_of(text.encode(encoding)), {})
    assert row.number == 2
    assert row.values == {"PatientName": "Müller^Änne"}


FAULTS = [
    ("date\n31.02.2026\n", {}, '"31.02.2026" is no date'),
    ("date\n03/04/2026\n", {}, "--dates dmy or --dates mdy says which"),
    ("date\nsoon\n", {}, "takes a date such as 2026-11-29 or 29.11.2026"),
    ("time\n13:05 pm\n", {}, '"13:05 pm" is no time'),
    ("Foo\n1\n", {}, 'row 1: column "Foo" is no keyword: --map "Foo=KEYWORD"'),
    ("ID,PatientID\n1,2\n", {}, 'row 1: column "PatientID" is PatientID once more'),
    ("ID\n1\n", {"Nr": "PatientID"}, '--map: there is no column "nr"'),
    ("ID,Name\n1,2,3\n", {}, "row 2: has 3 columns, the first row names 2"),
    ('ID\n"1\n', {}, "row 2: "),
    ("", {}, "row 1: is empty"),
]


@pytest.mark.parametrize(("text", "named", "words"), FAULTS, ids=[case[2] for case in FAULTS])
def test_a_fault_is_told_with_its_row(text: str, named: dict[str, str], words: str) -> None:
    with pytest.raises(EntryError) as raised:
        read(text, named)
    assert words in str(raised.value)


def test_another_date_of_the_column_tells_which_is_meant() -> None:
    first, _ = read("date\n03/04/2026\n13/04/2026\n", {})
    assert first.values["ScheduledProcedureStepStartDate"] == "20260403"
    (meant,) = read("date\n03/04/2026\n", {}, "mdy")
    assert meant.values["ScheduledProcedureStepStartDate"] == "20260304"


def test_a_column_can_be_named_or_left_out() -> None:
    (row,) = read("Fall,Kasse\n17,AOK\n", {"Fall": "AccessionNumber", "Kasse": ""})
    assert row.values == {"AccessionNumber": "17"}


def test_empty_rows_are_passed_over_and_counted() -> None:
    assert [row.number for row in read("ID\n\n1\n;\n2\n", {})][-1] == 5
