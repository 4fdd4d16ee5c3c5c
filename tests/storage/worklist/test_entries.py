"""An entry of the worklist: checked against table K.6-1, filled in, always with the same values."""

import pytest

from storage.worklist.entries import (
    TABLE,
    EntryError,
    completed,
    from_json,
    from_values,
    to_json,
    to_values,
)

IDENTITY = "0123456789abcdef" * 2
ORDER = {
    "PatientName": "Müller^Änne",
    "PatientID": "4711",
    "Modality": "CT",
    "ScheduledStationAETitle": "CT01",
    "ScheduledProcedureStepStartDate": "20261129",
    "AccessionNumber": "A1",
}


def made(**values):
    (entry,) = completed(from_values(ORDER | values), IDENTITY, "a.json")
    return entry


FAULTS = [
    ({"PatientName": ""}, "PatientName: missing"),
    ({"PatientName": "^="}, "PatientName: missing"),
    ({"PatientID": " "}, "PatientID: missing"),
    ({"Modality": ""}, "Modality: missing"),
    ({"ScheduledStationAETitle": ""}, "ScheduledStationAETitle: missing"),
    ({"ScheduledProcedureStepStartDate": ""}, "ScheduledProcedureStepStartDate: missing"),
    ({"ScheduledProcedureStepStartDate": "20260229"}, "takes a date as YYYYMMDD"),
    ({"ScheduledProcedureStepStartDate": "2026"}, "takes a date as YYYYMMDD"),
    ({"ScheduledProcedureStepStartTime": "2561"}, "takes a time as HHMM or HHMMSS"),
    ({"PatientName": "A\x1b[31m^B"}, "PatientName: has the control character U+001B"),
    ({"PatientID": "1\\2"}, "PatientID: takes one value, not 2"),
    ({"AccessionNumber": "12345678901234567"}, "has 17 characters, a SH takes 16"),
    ({"StudyInstanceUID": "1.2.x"}, "StudyInstanceUID: takes a UID"),
    ({"Modality": "C-T"}, "Modality: takes capital letters, digits and _"),
    ({"PatientName": "A=B=C=D"}, "takes family^given^middle^prefix^suffix"),
    ({"PatientWeight": "heavy"}, "PatientWeight: takes a number"),
    ({"RequestedProcedureCodeSequence": "CTCHEST"}, "takes a code as VALUE^SCHEME^MEANING"),
    ({"PatientsName": "X"}, "PatientsName is no attribute of PS3.6; the nearest is PatientName"),
]


@pytest.mark.parametrize(("values", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_what_is_no_entry_is_told_by_keyword(values, words) -> None:
    with pytest.raises(EntryError) as raised:
        completed(from_values(ORDER | values), IDENTITY, "")
    assert words in str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(EntryError) as raised:
        completed(from_values({"PatientSex": "female\x07"}), IDENTITY, "")
    assert len(raised.value.faults) == 6


def test_what_an_order_leaves_out_is_filled_in() -> None:
    entry = made()
    assert entry.study_uid.startswith("2.25.")
    assert len(entry.study_uid) <= 64
    assert (entry.procedure_id, entry.step_id, entry.time) == ("A1", "A1-1", "000000")
    assert to_values(entry)["RequestedProcedureDescription"] == "CT"
    assert to_values(entry)["ScheduledProcedureStepDescription"] == "CT"
    filled = {row.keyword for row in TABLE if row.returned == "1" and not row.inside}
    filled |= {row.keyword for row in TABLE if row.returned == "1" and row.is_of_step}
    assert filled - {"ScheduledProcedureStepSequence"} <= to_values(entry).keys()


def test_what_is_filled_in_is_the_same_each_time_and_another_for_others() -> None:
    assert made() == made()
    assert made().study_uid != made(AccessionNumber="A2").study_uid
    assert made().study_uid != made(PatientID="4712").study_uid
    (elsewhere,) = completed(from_values(ORDER), IDENTITY[::-1], "")
    assert elsewhere.study_uid != made().study_uid


def test_without_an_accession_number_two_files_are_two_procedures() -> None:
    without = from_values(ORDER | {"AccessionNumber": ""})
    (one,), (other,) = (completed(without, IDENTITY, name) for name in ("a.json", "b.json"))
    assert one.procedure_id != other.procedure_id
    assert one.study_uid != other.study_uid
    assert len(one.procedure_id) <= 16
    assert len(one.step_id) <= 16


def test_values_come_to_the_form_of_their_vr() -> None:
    entry = made(
        ScheduledProcedureStepStartDate="2026-11-29",
        Modality="mr",
        ScheduledProcedureStepStartTime="9:30",
        ScheduledStationAETitle="CT01\\ CT02 ",
    )
    assert (entry.day, entry.time, entry.modality) == ("20261129", "0930", "MR")
    assert entry.stations == ("CT01", "CT02")


def test_an_order_of_several_steps_is_an_entry_each_of_one_study() -> None:
    held = from_values(ORDER)
    tag = next(row.tag for row in TABLE if row.keyword == "ScheduledProcedureStepSequence")
    item = held[tag].items[0]
    held[tag] = type(held[tag])("SQ", items=(item, item))
    one, other = completed(held, IDENTITY, "")
    assert one.study_uid == other.study_uid
    assert (one.step_id, other.step_id) == ("A1-1", "A1-2")


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = made(
        RequestedProcedureCodeSequence="71250^C4^CT thorax", ScheduledStationAETitle="CT01\\CT02",
        **{"OtherPatientIDsSequence.PatientID": "X1", "PregnancyStatus": "4"},
    )  # fmt: skip
    assert from_json(to_json(entry.elements)) == entry.elements
    flat = to_values(entry)
    assert flat["RequestedProcedureCodeSequence"] == "71250^C4^CT thorax"
    (again,) = completed(from_values(flat), IDENTITY, "")
    assert again.study_uid == entry.study_uid
    assert again.key == entry.key


def test_markup_is_text_like_any_other() -> None:
    assert made(PatientName="<script>alert(1)</script>").patient_name.startswith("<script>")
