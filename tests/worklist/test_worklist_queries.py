"""Modality Worklist C-FIND, as PS3.4 annex K has it: which entries, and what of them."""

from collections.abc import Callable, Iterator

import pytest
from pydicom.dataset import Dataset
from support import RunningNode, running_node
from worklist.modality import Keys, Modality, data_set, of_step, write_entries

ENTRIES = [
    {
        "PatientName": "Müller^Änne", "PatientID": "a", "PatientBirthDate": "19700201",
        "PatientSex": "F", "PatientWeight": "70.5", "AccessionNumber": "A1",
        "StudyInstanceUID": "1.2.826.1", "RequestedProcedureID": "RP1",
        "RequestedProcedureDescription": "CT of the chest",
        "RequestedProcedureCodeSequence": "CTCH^99LOCAL^Chest",
        "RequestedProcedurePriority": "HIGH", "ReferringPhysicianName": "Zuweiser^Karl",
        "Modality": "CT", "ScheduledStationAETitle": "CT01\\CT02",
        "ScheduledProcedureStepStartDate": "20300705", "ScheduledProcedureStepStartTime": "1000",
        "ScheduledPerformingPhysicianName": "House^Greg", "ScheduledProcedureStepID": "S1",
        "ScheduledProcedureStepDescription": "Thorax", "ScheduledStationName": "ROOM1",
        "ScheduledProtocolCodeSequence": "P1^99LOCAL^Standard",
    },
    {
        "PatientName": "Doe^John", "PatientID": "b", "AccessionNumber": "A2", "Modality": "MR",
        "StudyInstanceUID": "1.2.826.2", "ScheduledStationAETitle": "MR01",
        "ScheduledProcedureStepStartDate": "20300706", "ScheduledProcedureStepStartTime": "090000",
        "ScheduledProcedureStepID": "S2",
    },
    {
        "PatientName": "Doe^Jane", "PatientID": "c", "AccessionNumber": "A3", "Modality": "CT",
        "StudyInstanceUID": "1.2.826.3", "ScheduledStationAETitle": "CT01",
        "ScheduledProcedureStepStartDate": "20300706",
        "ScheduledProcedureStepStartTime": "173000.123456", "ScheduledProcedureStepID": "S3",
        "ScheduledPerformingPhysicianName": "Wilson^James",
    },
    {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "PatientID": "d",
        "AccessionNumber": "A4", "Modality": "US", "StudyInstanceUID": "1.2.826.4",
        "ScheduledStationAETitle": "US01", "ScheduledProcedureStepStartDate": "20300707",
        "ScheduledProcedureStepStartTime": "080000", "ScheduledProcedureStepID": "S4",
    },
    {
        "PatientName": "O'Neil^Sean", "PatientID": "e", "Modality": "CT",
        "StudyInstanceUID": "1.2.826.5", "RequestedProcedureID": "RP5",
        "ScheduledStationAETitle": "CT03", "ScheduledProcedureStepStartDate": "20300708",
        "ScheduledProcedureStepStartTime": "1200", "ScheduledProcedureStepID": "S5",
        "OtherPatientIDsSequence.PatientID": "OTHER5", "PregnancyStatus": "4",
        "Allergies": "Contrast agent", "StudyDescription": "Research",
    },
    {
        "PatientName": "Hidden^Entry", "PatientID": "f", "AccessionNumber": "A6", "Modality": "CT",
        "StudyInstanceUID": "1.2.826.6", "ScheduledStationAETitle": "CT01",
        "ScheduledProcedureStepStartDate": "20300706", "ScheduledProcedureStepStatus": "CANCELLED",
    },
    {
        "PatientName": "Arrived^Anna", "PatientID": "g", "AccessionNumber": "A7", "Modality": "DX",
        "StudyInstanceUID": "1.2.826.7", "ScheduledStationAETitle": "DX01",
        "ScheduledProcedureStepStartDate": "20300709", "ScheduledProcedureStepStartTime": "0800",
        "ScheduledProcedureStepStatus": "ARRIVED", "ScheduledProcedureStepID": "S7",
    },
    {
        "PatientName": "Past^Paul", "PatientID": "h", "Modality": "CT",
        "StudyInstanceUID": "1.2.826.8", "ScheduledStationAETitle": "CT01",
        "ScheduledProcedureStepStartDate": "20200101",
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def modality(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modality]:
    tables = {
        "worklist": {},
        "peers": {"ASCII": {"charset": "ISO_IR 6"}, "KANJI": {"charset": "ISO 2022 IR 87"}},
    }
    with running_node(tmp_path_factory.mktemp("worklist"), tables) as node:
        write_entries(node, "entries.json", ENTRIES)
        write_entries(node, "broken.json", {"PatientName": "Broken^File"})
        asking = Modality(node)
        yield asking
        asking.close()


def _days(key: str) -> Keys:
    return of_step(ScheduledProcedureStepStartDate=key)


def _times(key: str) -> Keys:
    return of_step(ScheduledProcedureStepStartTime=key)


def _period(days: str, times: str) -> Keys:
    return of_step(ScheduledProcedureStepStartDate=days, ScheduledProcedureStepStartTime=times)


# What is asked, and the Patient IDs of the entries that are found.
MATCHING: list[tuple[str, Keys, str]] = [
    # C.2.2.2.3: universal matching
    ("K.4.1.2: no key finds all that is served", {}, "abcdeg"),
    ("C.2.2.2.3: empty keys find all", {"PatientName": "", "PatientID": ""} | _days(""), "abcdeg"),
    ("C.2.2.2.3: * finds an absent value too", of_step(ScheduledPerformingPhysicianName="*"),
     "abcdeg"),
    ("K.4.1.2: the sequence without an item finds all", {"ScheduledProcedureStepSequence": []},
     "abcdeg"),
    ("K.4.1.2: an item without keys finds all", of_step(), "abcdeg"),
    # Modality: R, single value
    ("K.6-1: Modality", of_step(Modality="CT"), "ace"),
    ("K.6-1: Modality counts case", of_step(Modality="ct"), ""),
    ("K.6-1: Modality that nobody has", of_step(Modality="NM"), ""),
    ("C.2.2.2: of a list of modalities any (an extension)", of_step(Modality="MR\\US"), "bd"),
    # Scheduled Station AE Title: R, single value
    ("K.6-1: station", of_step(ScheduledStationAETitle="MR01"), "b"),
    ("K.2.2.3: the first of an entry's stations", of_step(ScheduledStationAETitle="CT01"), "ac"),
    ("K.2.2.3: the second of them", of_step(ScheduledStationAETitle="CT02"), "a"),
    ("PS3.5 6.2: spaces around a title do not count", of_step(ScheduledStationAETitle=" MR01 "),
     "b"),
    ("K.6-1: a title counts case", of_step(ScheduledStationAETitle="mr01"), ""),
    ("K.6-1: a title is matched whole", of_step(ScheduledStationAETitle="CT0"), ""),
    # Start Date: R, single value or range
    ("K.6-1: day", _days("20300706"), "bc"),
    ("C.2.2.2.5: days", _days("20300706-20300707"), "bcd"),
    ("C.2.2.2.5: days from", _days("20300707-"), "deg"),
    ("C.2.2.2.5: days until", _days("-20300706"), "abc"),
    ("C.2.2.2.5: a range of one day", _days("20300705-20300705"), "a"),
    ("C.2.2.2.5: a range that ends before it begins", _days("20300707-20300705"), ""),
    ("K.6-1: a day that is past is not served", _days("20200101"), ""),
    ("C.2.2.2.1: what is no date finds nothing", _days("TODAY"), ""),
    # Start Time: R, single value or range
    ("K.6-1: time", _times("090000"), "b"),
    ("PS3.5 6.2: 0900 is 090000", _times("0900"), "b"),
    ("PS3.5 6.2: 100000 is 1000", _times("100000"), "a"),
    ("C.2.2.2.5: times of any day", _times("0800-0930"), "bdg"),
    ("C.2.2.2.5: times from, with a fraction", _times("173000.123456-"), "c"),
    ("C.2.2.2.5: times until", _times("-0800"), "dg"),
    # Date and time: one period where both are ranges
    ("K.6-1: a period from a time of the first day to one of the last",
     _period("20300705-20300706", "1000-0900"), "ab"),
    ("K.6-1: within the period every time counts", _period("20300705-20300707", "1800-0700"), "bc"),
    ("K.6-1: a period without an end", _period("20300706-", "1200-"), "cdeg"),
    ("K.6-1: a period without a beginning", _period("-20300706", "-1200"), "ab"),
    ("K.6-1: a range of times on a single day", _period("20300706", "0800-1000"), "b"),
    ("K.6-1: a time on each of some days", _period("20300705-20300708", "1200"), "e"),
    # Scheduled Performing Physician's Name: R, single value or wildcard
    ("K.6-1: performing physician", of_step(ScheduledPerformingPhysicianName="House^Greg"), "a"),
    ("C.2.2.2.4: performing physician by wildcard",
     of_step(ScheduledPerformingPhysicianName="Wil*"), "c"),
    ("C.2.2.2.1.1: case of names does not count",
     of_step(ScheduledPerformingPhysicianName="HOUSE^GREG"), "a"),
    # Patient's Name: R, single value or wildcard
    ("K.6-1: name", {"PatientName": "Doe^John"}, "b"),
    ("C.2.2.2.4: name by *", {"PatientName": "doe*"}, "bc"),
    ("C.2.2.2.4: name by ?", {"PatientName": "Doe^J?ne"}, "c"),
    ("C.2.2.2.4: * in front", {"PatientName": "*Sean"}, "e"),
    ("C.2.2.2.1.1: accents do not count", {"PatientName": "MULLER^ANNE"}, "a"),
    ("PS3.5 6.2.1: ideographic group",
     {"PatientName": "=山田*", "SpecificCharacterSet": "ISO_IR 192"}, "d"),
    ("C.2.2.2.1.1: a key of one group finds it in any",
     {"PatientName": "山田^太郎", "SpecificCharacterSet": "ISO_IR 192"}, "d"),
    ("C.2.2.2.1: a name without wildcards is matched whole", {"PatientName": "Doe"}, ""),
    ("PS3.5 6.2: an apostrophe is a letter like others", {"PatientName": "O'Neil*"}, "e"),
    # Patient ID and what else is O: all are matched
    ("K.6-1: Patient ID", {"PatientID": "c"}, "c"),
    ("K.6-1: Accession Number", {"AccessionNumber": "A2"}, "b"),
    ("K.6-1: Requested Procedure ID", {"RequestedProcedureID": "RP5"}, "e"),
    ("K.6-1: Study Instance UID", {"StudyInstanceUID": "1.2.826.4"}, "d"),
    ("C.2.2.2.2: a list of UIDs", {"StudyInstanceUID": ["1.2.826.1", "1.2.826.2"]}, "ab"),
    ("K.6-1: Scheduled Procedure Step ID", of_step(ScheduledProcedureStepID="S3"), "c"),
    ("K.6-1: Scheduled Station Name", of_step(ScheduledStationName="ROOM1"), "a"),
    ("K.6-1: step description", of_step(ScheduledProcedureStepDescription="Thorax"), "a"),
    ("K.6-1: procedure description by wildcard", {"RequestedProcedureDescription": "CT of*"}, "a"),
    ("K.6-1: priority", {"RequestedProcedurePriority": "HIGH"}, "a"),
    ("K.6-1: birth date as a range", {"PatientBirthDate": "19700101-19701231"}, "a"),
    ("K.6-1: sex", {"PatientSex": "F"}, "a"),
    ("C.2.2.2.1: a number by its value", {"PatientWeight": "70.50"}, "a"),
    ("C.2.2.2.6: code of the procedure",
     {"RequestedProcedureCodeSequence": [{"CodeValue": "CTCH"}]}, "a"),
    ("C.2.2.2.6: code inside the step",
     of_step(ScheduledProtocolCodeSequence=[
         {"CodeValue": "P1", "CodingSchemeDesignator": "99LOCAL"}]), "a"),
    ("C.2.2.2.6: keys of a code are of one item",
     of_step(ScheduledProtocolCodeSequence=[
         {"CodeValue": "P1", "CodingSchemeDesignator": "X"}]), ""),
    ("C.2.2.2.6: other patient ID", {"OtherPatientIDsSequence": [{"PatientID": "OTHER5"}]}, "e"),
    ("C.2.2.1.3: an attribute that the table does not have", {"StudyDescription": "Research"}, "e"),
    ("K.6-1: pregnancy status, a binary number", {"PregnancyStatus": 4}, "e"),
    # All keys together
    ("C.2.2: all keys must match", {"PatientName": "Doe*"} | of_step(Modality="CT"), "c"),
    ("C.2.2: one that does not hides the entry", {"PatientID": "b"} | of_step(Modality="CT"), ""),
    ("K.6-1: keys of the step are matched in its item",
     of_step(Modality="CT", ScheduledStationAETitle="CT01",
             ScheduledProcedureStepStartDate="20300705"), "a"),
    # Status: O, as it is now
    ("K.6-1: status", of_step(ScheduledProcedureStepStatus="ARRIVED"), "g"),
    ("K.6-1: status of what is not served", of_step(ScheduledProcedureStepStatus="CANCELLED"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "found"), [case[1:] for case in MATCHING],
                         ids=[case[0] for case in MATCHING])  # fmt: skip
def test_entries_that_match(modality: Modality, keys: Keys, found: str) -> None:
    answers = modality.found({"PatientID": ""} | keys)
    assert "".join(sorted(answer.PatientID for answer in answers)) == found


def test_there_are_sixty_cases_and_more() -> None:
    assert len(MATCHING) >= 60
    assert len({case[0] for case in MATCHING}) == len(MATCHING)


def _only(modality: Modality, keys: Keys | Dataset) -> Dataset:
    (answer,) = modality.found(keys)
    return answer


def _tags(found: Dataset) -> set[str]:
    return {element.keyword for element in found}


def test_an_answer_has_what_was_asked_and_no_more(modality: Modality) -> None:
    keys = {"PatientID": "b", "PatientName": ""} | of_step(Modality="", ScheduledStationName="")
    answer = _only(modality, keys)
    assert _tags(answer) == {"PatientID", "PatientName", "ScheduledProcedureStepSequence"}
    (step,) = answer.ScheduledProcedureStepSequence
    assert _tags(step) == {"Modality", "ScheduledStationName"}
    assert step.Modality == "MR"


def test_what_an_entry_has_not_is_answered_empty(modality: Modality) -> None:
    keys = {"PatientID": "b", "PatientWeight": "", "ReferencedStudySequence": [],
            "RequestingPhysician": "", "PregnancyStatus": None}  # fmt: skip
    answer = _only(modality, keys)
    assert answer.PatientWeight is None
    assert len(answer.ReferencedStudySequence) == 0
    assert str(answer.RequestingPhysician) == ""
    assert answer.PregnancyStatus is None


@pytest.mark.parametrize("keys", [{"ScheduledProcedureStepSequence": []}, of_step()],
                         ids=["no item", "an empty item"])  # fmt: skip
def test_a_sequence_without_keys_is_answered_whole(modality: Modality, keys: Keys) -> None:
    (step,) = _only(modality, {"PatientID": "a"} | keys).ScheduledProcedureStepSequence
    assert step.ScheduledProcedureStepID == "S1"
    assert list(step.ScheduledStationAETitle) == ["CT01", "CT02"]
    assert step.ScheduledProtocolCodeSequence[0].CodeMeaning == "Standard"


def test_of_codes_what_was_asked_is_answered(modality: Modality) -> None:
    keys = {"PatientID": "a", "RequestedProcedureCodeSequence": [{"CodeValue": ""}]}
    (code,) = _only(modality, keys).RequestedProcedureCodeSequence
    assert _tags(code) == {"CodeValue"}
    assert code.CodeValue == "CTCH"


def test_what_is_of_type_1_is_there_for_each_entry(modality: Modality) -> None:
    of_type_1 = ("StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription",
                 "PatientName", "PatientID")  # fmt: skip
    of_step_1 = ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "Modality",
                 "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID",
                 "ScheduledProcedureStepDescription")  # fmt: skip
    keys = dict.fromkeys(of_type_1, "") | of_step(**dict.fromkeys(of_step_1, ""))
    for answer in modality.found(keys):
        assert all(answer[keyword].value for keyword in of_type_1)
        (step,) = answer.ScheduledProcedureStepSequence
        assert all(step[keyword].value for keyword in of_step_1)


CHARSETS: list[tuple[str, str, str, Keys, str, str]] = [
    ("none is named where ASCII does", "CT01", "", {"PatientID": "b"}, "", "Doe^John"),
    ("without one in the query it is UTF-8", "CT01", "", {"PatientID": "a"}, "ISO_IR 192",
     "Müller^Änne"),
    ("that of the query, where it holds the answer", "CT01", "ISO_IR 100", {"PatientID": "a"},
     "ISO_IR 100", "Müller^Änne"),
    ("else UTF-8", "CT01", "ISO_IR 100", {"PatientID": "d"}, "ISO_IR 192",
     "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("that of the peer, where the query names none", "KANJI", "", {"PatientID": "d"},
     "\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("who takes ASCII alone gets a name in its letters", "ASCII", "", {"PatientID": "a"}, "",
     "Muller^Anne"),
    ("and the group of it that has such", "ASCII", "", {"PatientID": "d"}, "", "Yamada^Tarou"),
    ("but what the query names counts more", "ASCII", "ISO_IR 192", {"PatientID": "a"},
     "ISO_IR 192", "Müller^Änne"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "asked", "keys", "answered", "name"),
    [case[1:] for case in CHARSETS],
    ids=[case[0] for case in CHARSETS],
)
def test_character_set_of_an_answer(
    modality: Modality, title: str, asked: str, keys: Keys, answered: str, name: str
) -> None:
    query = {"PatientName": ""} | keys | ({"SpecificCharacterSet": asked} if asked else {})
    answer = _only(Modality(modality.node, title), query)
    held = answer.get("SpecificCharacterSet", "")
    assert (held if isinstance(held, str) else "\\".join(held)) == answered
    answer.decode()
    assert str(answer.PatientName) == name


def test_answers_are_the_same_each_time(modality: Modality) -> None:
    keys = {"PatientName": "", "StudyInstanceUID": "", "RequestedProcedureID": ""} | of_step()
    assert modality.found(keys) == modality.found(keys)
    days = [answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate
            for answer in modality.found(keys)]  # fmt: skip
    assert days == sorted(days)


def _private(value: str) -> Keys | Dataset:
    made = data_set({"PatientID": "a"})
    made.private_block(0x0009, "SOMEBODY", create=True).add_new(0x01, "LO", value)
    return made


PARTLY: list[tuple[str, Callable[[], Keys | Dataset], int]] = [
    ("C.2.2.1.3: all keys are matched", lambda: {"PatientID": "a", "Allergies": "*"}, 0xFF00),
    ("C.2.2.1.3: a private key with a value is not", lambda: _private("X"), 0xFF01),
    ("C.2.2.1.3: one without asks for nothing", lambda: _private(""), 0xFF00),
    ("K.6-1: a time zone is no key",
     lambda: {"PatientID": "a", "TimezoneOffsetFromUTC": "+0200"}, 0xFF01),
    ("K.6-1: nor are documents",
     lambda: {"PatientID": "a",
              "PertinentDocumentsSequence": [{"ReferencedSOPInstanceUID": "1.2"}]}, 0xFF01),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "status"), [case[1:] for case in PARTLY],
                         ids=[case[0] for case in PARTLY])  # fmt: skip
def test_status_of_an_answer(
    modality: Modality, keys: Callable[[], Keys | Dataset], status: int
) -> None:
    (pending, answer), (last, _) = modality.find(keys())
    assert (pending, last) == (status, 0x0000)
    assert answer.PatientID == "a"


REFUSED: list[tuple[str, Keys, int]] = [
    ("C.2.2.2.6: two items of the step", {"ScheduledProcedureStepSequence": [{}, {}]}, 0xA900),
    ("a key longer than any value", {"PatientID": "x" * 20_000}, 0xA900),
]


@pytest.mark.parametrize(("keys", "status"), [case[1:] for case in REFUSED],
                         ids=[case[0] for case in REFUSED])  # fmt: skip
def test_what_cannot_be_asked_is_refused(modality: Modality, keys: Keys, status: int) -> None:
    ((answered, _),) = modality.find(keys)
    assert answered == status


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99",
               "1.2.840.10008.1.2.2"],
)  # fmt: skip
def test_each_transfer_syntax_says_the_same(modality: Modality, syntax: str) -> None:
    (_, answer), _ = modality.find({"PatientID": "a", "PatientName": ""} | of_step(), syntax)
    assert str(answer.PatientName) == "Müller^Änne"
    assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == "S1"


def test_a_node_without_a_worklist_knows_no_such_sop_class(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_node(tmp_path_factory.mktemp("none")) as node:
        association = node.associate(("1.2.840.10008.5.1.4.31", "1.2.840.10008.1.2"))
        assert [cx.result for cx in association.rejected_contexts] == [3]


def test_rights_name_worklist_and_steps(start_worklist: Callable[..., RunningNode]) -> None:
    allow = {"peers": {"RIS": {"allow": ["find", "step"]}, "CT01": {"allow": ["worklist"]}}}
    node = start_worklist(allow)
    step = "1.2.840.10008.3.1.2.3.3"
    for title, refused in (("RIS", "1.2.840.10008.5.1.4.31"), ("CT01", step)):
        contexts = [(uid, "1.2.840.10008.1.2") for uid in ("1.2.840.10008.5.1.4.31", step)]
        with node.association(*contexts, ae_title=title) as association:
            rejected = association.rejected_contexts
            assert [(str(cx.abstract_syntax), cx.result) for cx in rejected] == [(refused, 1)]


def test_a_modality_that_names_no_station_gets_its_own_entries(
    start_worklist: Callable[..., RunningNode],
) -> None:
    node = start_worklist(own_station=True)
    write_entries(node, "entries.json", ENTRIES)
    told = {title: {a.PatientID for a in Modality(node, title).found({"PatientID": ""})}
            for title in ("CT01", "CT02", "XX99")}  # fmt: skip
    assert told == {"CT01": {"a", "c"}, "CT02": {"a"}, "XX99": set()}
    asked = of_step(ScheduledStationAETitle="MR01") | {"PatientID": ""}
    assert [a.PatientID for a in Modality(node, "CT01").found(asked)] == ["b"]


def test_which_states_are_served_is_set(start_worklist: Callable[..., RunningNode]) -> None:
    node = start_worklist(serve=["CANCELLED", "ARRIVED"])
    write_entries(node, "entries.json", ENTRIES)
    assert {a.PatientID for a in Modality(node).found({"PatientID": ""})} == {"f", "g"}
