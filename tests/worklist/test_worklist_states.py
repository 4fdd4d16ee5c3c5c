"""What becomes of an entry in a node: by performed steps, by images, by nothing for long."""

import json
import time
from collections.abc import Callable
from typing import Any

from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send
from worklist.modality import Modality, beginning, ending, of_step, worklist, write_entries

from storage.worklist import day_before

Start = Callable[..., RunningNode]

ENTRY = {
    "PatientName": "Doe^Jane", "PatientID": "P1", "AccessionNumber": "A1", "Modality": "CT",
    "StudyInstanceUID": "1.2.3", "ScheduledStationAETitle": "CT01",
    "ScheduledProcedureStepID": "S1", "ScheduledProcedureStepStartTime": "0800",
    "ScheduledProcedureStepStartDate": day_before(0),
}  # fmt: skip


def store(node: RunningNode, study: str, instance: str, **values: Any) -> None:
    with node.association((CT, EXPLICIT)) as association:
        data = encoded(ct(study, f"{study}.1", instance, **values))
        assert send(association, CT, instance, data).Status == 0x0000


def listed(node: RunningNode, *options: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(worklist(node, "list", "--json", *options).stdout)
    return told


def status(node: RunningNode) -> list[str]:
    """What a modality is told of the entries that are served."""
    keys = of_step(ScheduledProcedureStepStatus="")
    return [
        found.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus
        for found in Modality(node).found(keys)
    ]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + CLIENT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_images_begin_an_entry_and_quiet_ends_it(start_worklist: Start) -> None:
    node = start_worklist(quiet=3600)
    write_entries(node, "a.json", ENTRY)
    assert status(node) == ["SCHEDULED"]
    store(node, "1.2.3", "1.2.3.1.1")
    wait_until(lambda: status(node) == ["STARTED"])
    node.config.write_text(node.config.read_text().replace("3600", "0.5"))
    node.process.send_signal(1)
    line = node.wait_for_log("worklist entry completed", "by=images")
    assert "accession=A1" in line
    wait_until(lambda: status(node) == [])
    (one,) = listed(node)
    assert (one["state"], one["by"], one["instances"]) == ("COMPLETED", "images", 1)
    minipacs("delete", node, "--study", "1.2.3", "--yes")
    assert [one["state"] for one in listed(node)] == ["COMPLETED"]


def test_images_that_came_before_their_entry_count(start_worklist: Start) -> None:
    node = start_worklist(quiet=3600)
    store(node, "1.2.77", "1.2.77.1", AccessionNumber="A1")
    write_entries(node, "a.json", ENTRY)
    wait_until(lambda: status(node) == ["STARTED"])  # by its number, and its patient


def test_a_step_begins_an_entry_and_ends_it(start_worklist: Start) -> None:
    node = start_worklist()
    write_entries(node, "a.json", ENTRY)
    steps = Modality(node).steps()
    assert steps.create("1.2.9", beginning()).Status == 0x0000
    assert status(node) == ["STARTED"]
    assert steps.set("1.2.9", ending("COMPLETED", ("1.2.3.1.1", "1.2.3.1.2"))).Status == 0x0000
    assert status(node) == []
    store(node, "1.2.3", "1.2.3.1.1")
    found = worklist(node, "list", "--missing")
    assert found.returncode == 1
    assert "1 of 2 instances did not arrive" in found.stdout
    (one,) = listed(node, "--missing")
    assert one["missing"] == ["1.2.3.1.2"]
    store(node, "1.2.3", "1.2.3.1.2")
    assert listed(node, "--missing") == []
    steps.association.release()


def test_a_step_that_nobody_ends_is_discontinued(start_worklist: Start) -> None:
    node = start_worklist(abandoned=0.0001)
    write_entries(node, "a.json", ENTRY)
    steps = Modality(node).steps()
    assert steps.create("1.2.9", beginning()).Status == 0x0000
    node.wait_for_log("performed step discontinued", "step=1.2.9")
    late = steps.set("1.2.9", ending())
    assert (late.Status, late.ErrorID) == (0x0110, 0xA710)
    assert [one["state"] for one in listed(node)] == ["DISCONTINUED"]
    assert steps.get("1.2.9")[1].PerformedProcedureStepStatus == "DISCONTINUED"
    steps.association.release()


def test_images_of_another_patient_are_told_and_change_nothing(start_worklist: Start) -> None:
    node = start_worklist()
    write_entries(node, "a.json", ENTRY)
    assert status(node) == ["SCHEDULED"]
    store(node, "1.2.88", "1.2.88.1", AccessionNumber="A1", PatientID="P2", PatientName="Roe^Rob")
    line = node.wait_for_log("worklist conflict")
    assert "study=1.2.88" in line
    assert status(node) == ["SCHEDULED"]
    found = worklist(node, "list", "--conflicts")
    assert found.returncode == 1
    assert "study 1.2.88 is of Roe^Rob (P2)" in found.stdout
    assert worklist(node, "list").returncode == 0


def test_of_two_steps_of_a_study_each_has_its_own_images(start_worklist: Start) -> None:
    node = start_worklist()
    pt = ENTRY | {"Modality": "PT", "ScheduledProcedureStepID": "S2"}
    write_entries(node, "a.json", [ENTRY, pt])
    store(node, "1.2.3", "1.2.3.1.1")
    wait_until(lambda: sorted(status(node)) == ["SCHEDULED", "STARTED"])
    assert {one["step"]: one["state"] for one in listed(node)} == {
        "S1": "STARTED",
        "S2": "SCHEDULED",
    }


def test_what_never_arrived_is_listed(start_worklist: Start) -> None:
    node = start_worklist()
    yesterday = ENTRY | {"ScheduledProcedureStepStartDate": day_before(1)}
    write_entries(node, "a.json", yesterday)
    (one,) = listed(node, "--missing")
    assert one["words"] == "nothing arrived"
    worklist(node, "cancel", "A1")
    assert listed(node, "--missing") == []
