"""Orders of HL7 messages, in the dialects of three made-up systems, to values of entries."""

import pytest

from storage.worklist.entries import MessageError, completed, from_values, read_orders

STATIONS = {"CT": "CT01", "ROOM 3": "MR03", "RUS": "US01"}
IDENTITY = "0123456789abcdef0123456789abcdef"

# A practice system of version 2.3.1: one order, the time in ORC-7, the name with a prefix.
PRACTICE = r"""
MSH|^~\&|PRAXIS|DR-MÜLLER|PACS|KLINIK|20260102080000||ORM^O01|4711|P|2.3.1||||||8859/1
PID|1||P-77^^^PRAXIS||Müßig^Jörg^Karl^Jr^Dr.||19710203|M
PV1|1|O|W1^12^A|||||D9^Zuweiser^Zoë^^^Prof.|||||||||||V123
ORC|NW|PL-1|FI-1||||^^^20260105083000||||||REQ^Fordernd^Franz
OBR|1|PL-1|FI-1|CTTHX^CT Thorax \T\ Abdomen^LOCAL^THXKM^Thorax mit KM^LOCAL{CLINICAL}
ZDS|1.2.3.4^^Application^DICOM
""".replace(
    "{CLINICAL}",
    "||||||||Allergie?||||77^Anfordernd^Anna||ACC-1|RP-1|SPS-1||||CT|||^^^20260101||||^Husten",
)
# A hospital's, of 2.5.1: two steps of an order by IPC, the time in TQ1, the name in ideographs too.
HOSPITAL = r"""
MSH|^~\&|HIS|H|PACS|H|20260102||OMI^O23^OMI_O23|A1|P|2.5.1||||||UNICODE UTF-8
PID|||""^^^X~900^^^HOSP^MR||Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P||198001021530|F
PV1||I
ORC|NW|1001^HIS|2002^RIS
TQ1|1||||||202601061015+0100
OBR|1|1001^HIS|2002^RIS|MRHEAD^Head^99H
IPC|A77^RIS|RP77|1.2.840.77^^1.2.840.77^ISO|S1|MR|T1^T1 axial^99H|ROOM 3|Basement
IPC|A77^RIS|RP77|1.2.840.77|S2|MR|T2^T2 coronal^99H||| MR_AE
"""
# Another one, which has two orders in a message, no numbers of steps, and a line feed at the end.
LAB = """
MSH|^~\\&|LIS||||||ORM^O01^ORM_O01|9||2.4
PID||12|||DOE^JANE
ORC|NW||F1^LIS
OBR|||F1^LIS|US1^Abdomen||||||||||||||||||||RUS|||^^^20260107
ORC|XO||F1^LIS
OBR|||F1^LIS|US2^Neck||||||||||||||||||||RUS|||^^^20260107120000
"""


def values(text: str) -> list[dict[str, str]]:
    return [dict(order.values) for order in read_orders(text.strip(), STATIONS)]


def test_an_order_of_a_practice_system() -> None:
    (found,) = values(PRACTICE)
    assert found == {
        "PatientID": "P-77", "IssuerOfPatientID": "PRAXIS",
        "PatientName": "Müßig^Jörg^Karl^Dr.^Jr", "PatientBirthDate": "19710203",
        "PatientSex": "M", "ReferringPhysicianName": "Zuweiser^Zoë^^Prof.",
        "AdmissionID": "V123", "CurrentPatientLocation": "W1", "AccessionNumber": "ACC-1",
        "PlacerOrderNumberImagingServiceRequest": "PL-1",
        "FillerOrderNumberImagingServiceRequest": "FI-1", "RequestedProcedureID": "RP-1",
        "StudyInstanceUID": "1.2.3.4", "ScheduledProcedureStepID": "SPS-1", "Modality": "CT",
        "ScheduledStationAETitle": "CT01", "ScheduledProcedureStepStartDate": "20260105",
        "ScheduledProcedureStepStartTime": "083000",
        "RequestedProcedureDescription": "CT Thorax & Abdomen",
        "RequestedProcedureCodeSequence": "CTTHX^LOCAL^CT Thorax & Abdomen",
        "ScheduledProcedureStepDescription": "Thorax mit KM",
        "ScheduledProtocolCodeSequence": "THXKM^LOCAL^Thorax mit KM",
        "RequestingPhysician": "Anfordernd^Anna", "ReasonForTheRequestedProcedure": "Husten",
        "PatientState": "Allergie?",
    }  # fmt: skip


def test_each_ipc_is_an_entry() -> None:
    first, second = values(HOSPITAL)
    assert first["PatientID"] == "900"
    assert first["PatientName"] == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert (first["PatientBirthDate"], first["ScheduledProcedureStepStartTime"]) == (
        "19800102", "1015",
    )  # fmt: skip
    keywords = ("AccessionNumber", "RequestedProcedureID", "StudyInstanceUID",
                "ScheduledProcedureStepID", "ScheduledProcedureStepDescription",
                "ScheduledStationAETitle")  # fmt: skip
    assert [first[one] for one in keywords] == [
        "A77",
        "RP77",
        "1.2.840.77",
        "S1",
        "T1 axial",
        "MR03",
    ]
    assert [second[one] for one in keywords] == [
        "A77", "RP77", "1.2.840.77", "S2", "T2 coronal", "MR_AE",
    ]  # fmt: skip
    assert (first["ScheduledStationName"], first["ScheduledProcedureStepLocation"]) == (
        "ROOM 3", "Basement",
    )  # fmt: skip


def test_each_group_of_orc_and_obr_is_an_entry_that_can_be_told_apart() -> None:
    orders = read_orders(LAB, STATIONS)
    assert [order.control for order in orders] == ["NW", "XO"]
    entries = [
        one for order in orders for one in completed(from_values(order.values), IDENTITY, "s")
    ]
    assert [one.key for one in entries] == [("F1", "F1-1"), ("F1", "F1-2")]
    assert [(one.modality, one.stations, one.day, one.time) for one in entries] == [
        ("RUS", ("US01",), "20260107", "000000"), ("RUS", ("US01",), "20260107", "120000"),
    ]  # fmt: skip
    assert entries[0].patient_id == "12"


def without(text: str, segment: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(segment))


WRONG = {
    "nothing": ("", "does not begin with an MSH", True),
    "garbage": ("\x00\xff garbage", "does not begin with an MSH", True),
    "only the name of a segment": ("MSH|", "does not begin with an MSH", True),
    "another kind": (PRACTICE.replace("ORM^O01", "ADT^A01"), 'MSH-9 is "ADT^A01"', True),
    "two messages in one frame": (PRACTICE * 2, "several MSH", True),
    "without a patient": (without(PRACTICE, "PID"), "no PID", False),
    "without an order": (without(without(PRACTICE, "ORC"), "OBR"), "no ORC", False),
    "without what is ordered": (without(PRACTICE, "OBR"), "without OBR", False),
    "another control code": (PRACTICE.replace("ORC|NW", "ORC|XR"), 'ORC-1 is "XR"', False),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_message_is_told(name: str) -> None:
    text, words, is_rejected = WRONG[name]
    with pytest.raises(MessageError, match=words.replace("^", r"\^")) as raised:
        read_orders(text.strip(), STATIONS)
    assert raised.value.is_rejected == is_rejected
