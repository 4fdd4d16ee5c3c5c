"""`minipacs correct`, `merge-patient`, `undo` and `history`, as a user runs them."""

import json
import os
import sqlite3
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from support import (
    CT,
    EXPLICIT,
    FIND,
    MOVE,
    RunningNode,
    StartNode,
    ct,
    data_set_bytes,
    destination,
    encoded,
    find,
    got,
    identifier,
    minipacs,
    retrieved,
    send,
)
from support.checks.faults import killed

# Study, series, instance and patient of what lies in the archive.
HELD = [
    ("1.1", "1.2", "1.3.1", "P1"), ("1.1", "1.2", "1.3.2", "P1"), ("1.1", "1.4", "1.3.3", "P1"),
    ("2.1", "2.2", "2.3.1", "P1"), ("3.1", "3.2", "3.3.1", "P2"),
]  # fmt: skip
NAMES = {"P1": "Wrong^Name", "P2": "Roe^Richard"}


def data_set(study: str, series: str, instance: str, patient: str) -> bytes:
    more = {"StudyDescription": "Old", "InstitutionAddress": "Here", "AccessionNumber": "A1"}
    name = NAMES[patient]
    return encoded(ct(study, series, instance, PatientID=patient, PatientName=name, **more))


SENT = {one[2]: data_set(*one) for one in HELD}


def store(node: RunningNode, *held: tuple[str, str, str, str]) -> None:
    with node.association((CT, EXPLICIT)) as association:
        for one in held:
            assert send(association, CT, one[2], data_set(*one)).Status == 0


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    started = start_node()
    store(started, *HELD)
    return started


def run(node: RunningNode, command: str, *given: str, code: int = 0) -> str:
    done = minipacs(command, node, *given)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def correct(node: RunningNode, *given: str) -> str:
    return run(node, "correct", *given, "--yes")


def studies(node: RunningNode, **keys: str) -> list[str]:
    """The studies that C-FIND finds."""
    wanted = {"StudyInstanceUID": "", **keys}
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        answers, final = find(association, FIND["STUDY"], "STUDY", **wanted)
    assert final.Status == 0x0000
    for answer in answers:  # what is matched is what is answered
        for keyword, key in keys.items():
            assert key.rstrip("*").casefold() in str(answer.get(keyword)).casefold()
    return sorted(str(answer.StudyInstanceUID) for answer in answers)


def copies(node: RunningNode, study: str) -> list[Dataset]:
    found = got(node, study)
    return [dcmread(BytesIO(found[uid]), force=True) for uid in sorted(found)]


def stored(node: RunningNode) -> dict[str, bytes]:
    return {path.stem: data_set_bytes(path) for path in node.files()}


def test_a_corrected_study_is_found_and_retrieved_with_its_new_values(node: RunningNode) -> None:
    told = correct(
        node, "--study", "3.1", "PatientName=Right^Näme", "StudyDescription=Thorax",
        "InstitutionAddress=There", "--reason", "typed wrongly",
    )  # fmt: skip
    assert "PatientName: 'Roe^Richard' -> 'Right^Näme'" in told
    assert "corrected 1: instances=1; `minipacs undo 1` undoes it" in told
    assert studies(node, PatientName="Right*") == ["3.1"]
    assert studies(node, PatientName="Roe*") == []
    assert studies(node, StudyDescription="Thorax") == ["3.1"]
    assert studies(node, InstitutionAddress="There") == ["3.1"]  # from a header
    assert studies(node, InstitutionAddress="Here") == ["1.1", "2.1"]
    (copy,) = copies(node, "3.1")
    assert (copy.PatientName, copy.StudyDescription) == ("Right^Näme", "Thorax")
    (original,) = copy.OriginalAttributesSequence
    assert original.ModifiedAttributesSequence[0].PatientName == "Roe^Richard"
    assert original.ModifyingSystem == "MINIPACS"
    assert stored(node) == SENT
    assert run(node, "check").endswith(" faults=0\n")


def test_undone_it_is_as_it_was_received_to_the_byte(node: RunningNode) -> None:
    correct(node, "--study", "3.1", "PatientName=Right", "StudyDescription=Thorax")
    correct(node, "--instance", "3.3.1", "InstanceNumber=7")
    run(node, "undo", "1", "--yes")
    assert studies(node, PatientName="Roe*") == ["3.1"]
    assert studies(node, PatientName="Right") == studies(node, StudyDescription="Thorax") == []
    assert got(node, "3.1")["3.3.1"] != SENT["3.3.1"]
    run(node, "undo", "2", "--yes")
    assert got(node, "3.1") == {"3.3.1": SENT["3.3.1"]}
    assert run(node, "check").endswith(" faults=0\n")
    assert "2: is undone already" in run(node, "undo", "2", "--yes", code=2)
    assert "3: no correction has this number" in run(node, "undo", "3", "--yes", code=2)


def test_an_attribute_can_be_emptied_for_all_instances(node: RunningNode) -> None:
    correct(node, "--study", "1.1", "AccessionNumber=")
    assert studies(node, AccessionNumber="A1") == ["2.1", "3.1"]
    assert [copy.AccessionNumber for copy in copies(node, "1.1")] == ["", "", ""]
    assert run(node, "check").endswith(" faults=0\n")


def test_merged_patients_are_one_until_that_is_undone(node: RunningNode) -> None:
    told = run(node, "merge-patient", "P1", "P2", "--yes")
    assert "PatientID: 'P1' -> 'P2'" in told
    assert studies(node, PatientID="P2") == ["1.1", "2.1", "3.1"]
    assert studies(node, PatientID="P1") == studies(node, PatientName="Wrong*") == []
    assert {(c.PatientID, str(c.PatientName)) for c in copies(node, "1.1")} == {
        ("P2", "Roe^Richard")
    }
    store(node, ("4.1", "4.2", "4.3.1", "P1"))  # what arrives later is the other's too
    assert studies(node, PatientID="P2") == ["1.1", "2.1", "3.1", "4.1"]
    run(node, "undo", "1", "--yes")
    assert studies(node, PatientID="P1") == ["1.1", "2.1", "4.1"]
    assert studies(node, PatientID="P2") == ["3.1"]
    assert got(node, "2.1") == {"2.3.1": SENT["2.3.1"]}
    assert run(node, "check").endswith(" faults=0\n")


def test_a_study_is_moved_to_another_patient_and_later_arrivals_with_it(node: RunningNode) -> None:
    correct(node, "--study", "1.1", "PatientID=P2", "PatientName=Roe^Richard")
    assert studies(node, PatientID="P1") == ["2.1"]
    assert studies(node, PatientID="P2", PatientName="Roe*") == ["1.1", "3.1"]
    store(node, ("1.1", "1.5", "1.3.9", "P1"))
    assert studies(node, PatientID="P1") == ["2.1"]
    assert {copy.PatientID for copy in copies(node, "1.1")} == {"P2"}
    # The same data set once more is the same instance, and stays corrected.
    store(node, HELD[0])
    assert studies(node, PatientID="P1") == ["2.1"]
    assert run(node, "check").endswith(" faults=0\n")


def test_corrections_outlast_a_rebuild_and_a_lost_index(node: RunningNode) -> None:
    correct(node, "--study", "1.1", "StudyDescription=Thorax")
    run(node, "merge-patient", "P2", "P1", "--yes")
    run(node, "rebuild")
    assert studies(node, StudyDescription="Thorax") == ["1.1"]
    assert studies(node, PatientID="P1") == ["1.1", "2.1", "3.1"]
    node.stop()
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        (node.data / name).unlink(missing_ok=True)
    node.start()
    assert studies(node, StudyDescription="Thorax") == ["1.1"]
    assert studies(node, PatientID="P1") == ["1.1", "2.1", "3.1"]
    run(node, "undo", "2", "--yes")
    assert studies(node, PatientID="P2") == ["3.1"]


def test_a_move_and_minipacs_send_give_out_what_was_corrected(start_node: StartNode) -> None:
    with destination("DEST") as (inbox, port):
        node = start_node(peers={"DEST": {"host": "127.0.0.1", "port": port}})
        store(node, *HELD)
        correct(node, "--study", "3.1", "PatientName=Right")
        with node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID="3.1")
            answer = retrieved(association.send_c_move(query, "DEST", MOVE["STUDY"]))
        assert (answer.status, answer.counts) == (0x0000, (1, 0, 0))
        (moved,) = inbox.data_sets().values()
        run(node, "send", "DEST", "--study", "3.1")
        (sent,) = inbox.data_sets().values()
    assert moved == sent
    assert dcmread(BytesIO(sent), force=True).PatientName == "Right"


def patients(node: RunningNode) -> dict[str, str]:
    """The names that patients are answered with, by their IDs."""
    with node.association((FIND["PATIENT"], EXPLICIT)) as association:
        keys = {"PatientID": "", "PatientName": ""}
        answers, _ = find(association, FIND["PATIENT"], "PATIENT", **keys)
    return {str(answer.PatientID): str(answer.PatientName) for answer in answers}


def test_a_correction_of_a_study_shows_in_it_alone_also_once_rebuilt(node: RunningNode) -> None:
    told = correct(node, "--study", "1.1", "PatientName=Right")
    assert "patient P1 has studies=1 beside this one, which stay as they are" in told
    for _ in range(2):
        assert studies(node, PatientName="Right") == ["1.1"]
        assert studies(node, PatientName="Wrong*") == ["2.1"]
        assert patients(node) == {"P1": "Wrong^Name", "P2": "Roe^Richard"}
        run(node, "rebuild")
    run(node, "delete", "--study", "2.1", "--yes")
    assert patients(node)["P1"] == "Right"  # of what is held nothing else is said
    run(node, "restore", "--study", "2.1")
    assert [str(copy.PatientName) for copy in copies(node, "2.1")] == ["Wrong^Name"]
    correct(node, "--patient", "P1", "PatientName=Right")
    assert [str(copy.PatientName) for copy in copies(node, "2.1")] == ["Right"]
    assert run(node, "check").endswith(" faults=0\n")


def test_history_tells_who_corrected_what_from_what_to_what(node: RunningNode) -> None:
    correct(node, "--study", "1.1", "StudyDescription=Thorax", "--reason", "typed wrongly")
    correct(node, "--instance", "1.3.1", "InstanceNumber=7")
    run(node, "merge-patient", "P1", "P2", "--yes")
    run(node, "undo", "1", "--yes")
    told = run(node, "history", "--study", "1.1")
    assert "study 1.1  (typed wrongly)  undone " in told
    assert "    StudyDescription: 'Old' -> 'Thorax'" in told
    assert "patient P1 merged" in told
    assert told.endswith("corrections=3\n")
    rows = json.loads(run(node, "history", "--json", "--study", "2.1"))
    assert [(row["number"], row["merge"], row["key"]) for row in rows] == [(3, True, "P1")]
    assert rows[0]["before"]["PatientID"] == ["P1"]
    assert run(node, "history", "--study", "3.1").endswith("corrections=0\n")
    assert run(node, "history").endswith("corrections=3\n")
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert [e for e in events if e in ("correct", "merge", "undo")] == [
        "correct", "correct", "merge", "undo",
    ]  # fmt: skip


def test_nothing_is_corrected_without_a_yes(node: RunningNode) -> None:
    done = minipacs("correct", node, "--study", "3.1", "PatientName=Right")  # no stdin: no
    assert done.returncode != 0
    assert studies(node, PatientName="Right") == []
    assert not (node.data / "journal" / "corrections.jsonl").exists()


REFUSED = {
    "an unknown keyword": (("--study", "3.1", "PatientNam=x"), "is it PatientName?"),
    "a UID": (("--study", "3.1", "StudyInstanceUID=1.2.3"), "is a UID"),
    "Pixel Data": (("--study", "3.1", "PixelData=x"), "PixelData: cannot be corrected"),
    "what describes pixels": (("--study", "3.1", "Rows=5"), "Rows: cannot be corrected"),
    "a sequence": (("--study", "3.1", "RequestAttributesSequence=x"), "cannot be corrected"),
    "a character set": (("--study", "3.1", "SpecificCharacterSet=x"), "cannot be corrected"),
    "no date": (("--study", "3.1", "StudyDate=yesterday"), "StudyDate: "),
    "too long": (("--study", "3.1", f"AccessionNumber={'9' * 17}"), "AccessionNumber: "),
    "two values": (("--study", "3.1", "StudyDescription=a\\b"), "takes 1 values, not 2"),
    "a control character": (("--study", "3.1", "StudyDescription=a\tb"), "a control character"),
    "letters in a code": (("--series", "3.2", "Modality=CTü"), "Modality: "),
    "no Patient ID": (("--study", "3.1", "PatientID= "), "must not be empty"),
    "a patient's of a series": (("--series", "3.2", "PatientName=x"), "one of the patient"),
    "what is counted": (("--study", "3.1", "ModalitiesInStudy=CT"), "ModalitiesInStudy: "),
    "another's ID": (("--patient", "P1", "PatientID=P2"), "merge-patient P1 P2"),
    "no assignment": (("--study", "3.1", "PatientName"), "takes Keyword=VALUE"),
    "twice the same": (("--study", "3.1", "PatientName=a", "PatientName=b"), "given twice"),
    "what is not held": (("--study", "9.9", "PatientName=x"), "study 9.9: nothing is held"),
    "what it is already": (("--study", "3.1", "PatientName=Roe^Richard"), "has just these"),
    "one of two not held": (("--study", "3.1", "--study", "9.9", "PatientName=x"),
                            "study 9.9: nothing is held"),
    "one of two at another level": (("--study", "3.1", "--series", "3.2", "PatientName=x"),
                                    "one of the patient"),
    "two patients, one ID": (("--patient", "P1", "--patient", "P2", "PatientID=P7"),
                             "takes one --patient"),
    "a reason twice": (("--study", "3.1", "PatientName=x", "--reason", "a", "--reason", "b"),
                       "--reason: is given twice"),
}  # fmt: skip


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> RunningNode:
    """A node that does not run, but has been: nothing here changes it."""
    node = RunningNode(tmp_path_factory.mktemp("quiet"))
    node.start()
    store(node, *HELD)
    assert node.stop() == 0
    return node


@pytest.mark.parametrize("what", REFUSED)
def test_bad_corrections_are_refused_and_change_nothing(quiet: RunningNode, what: str) -> None:
    given, words = REFUSED[what]
    told = run(quiet, "correct", *given, "--yes", code=2)
    assert words in told
    assert told.startswith("minipacs: ")
    assert not (quiet.data / "journal" / "corrections.jsonl").exists()


@pytest.mark.parametrize(("given", "words"), [
    (("P1", "P1"), "takes two patients"), (("P9", "P1"), "patient P9: nothing is held"),
    (("P1", "P9"), "patient P9: is not held"),
])  # fmt: skip
def test_bad_merges_are_refused(quiet: RunningNode, given: tuple[str, str], words: str) -> None:
    assert words in run(quiet, "merge-patient", *given, "--yes", code=2)
    assert not (quiet.data / "journal" / "corrections.jsonl").exists()


STEPS = [
    ("storage.index.corrected_rows.Recorrection.__init__", 1),
    ("storage.index.entities.update_shared", 2),
    ("storage.index.entities.refresh", 1),
    ("storage.index.engines.sqlite.engine.SqliteEngine.mark", 1),
]


@pytest.mark.parametrize(("step", "call"), STEPS)
def test_a_correction_that_was_cut_off_is_shown_by_the_running_node(
    node: RunningNode, step: str, call: int
) -> None:
    killed(node, step, call, "correct", "--study", "1.1", "StudyDescription=Thorax", "--yes")
    node.wait_for_log("corrected instances=")  # none, where only the mark was missing
    assert studies(node, StudyDescription="Thorax") == ["1.1"]
    assert run(node, "check").endswith(" faults=0\n")


@pytest.mark.parametrize(("step", "call"), STEPS)
def test_a_correction_that_was_cut_off_is_shown_by_the_next_start(
    node: RunningNode, step: str, call: int
) -> None:
    node.stop()
    killed(node, step, call, "correct", "--study", "1.1", "StudyDescription=Thorax", "--yes")
    node.start()
    assert studies(node, StudyDescription="Thorax") == ["1.1"]
    assert studies(node, StudyDescription="Old") == ["2.1", "3.1"]
    assert run(node, "check").endswith(" faults=0\n")


def test_check_tells_of_an_index_that_does_not_show_a_correction(node: RunningNode) -> None:
    correct(node, "--instance", "3.3.1", "InstanceNumber=7")
    node.stop()
    with sqlite3.connect(node.data / "index.sqlite") as database:
        database.execute("UPDATE instance SET InstanceNumber='1' WHERE SOPInstanceUID='3.3.1'")
    database.close()
    done = minipacs("check", node)
    assert (done.returncode, "InstanceNumber '1', '7'" in done.stdout) == (1, True)
    assert minipacs("check", node, "--repair").returncode == 0
    assert run(node, "check").endswith(" faults=0\n")


def test_a_damaged_line_takes_no_other_correction_with_it(node: RunningNode) -> None:
    correct(node, "--study", "3.1", "StudyDescription=Thorax")
    journal = node.data / "journal" / "corrections.jsonl"
    with journal.open("a") as file:
        file.write('{"number": 7, "values": 3}\n{"number": "x"\n{"undoes": 99, "number": 8}\n')
        file.flush()
        os.fsync(file.fileno())
    correct(node, "--study", "2.1", "StudyDescription=Abdomen")
    assert studies(node, StudyDescription="Thorax") == ["3.1"]
    assert studies(node, StudyDescription="Abdomen") == ["2.1"]
    assert run(node, "check").endswith(" faults=0\n")
