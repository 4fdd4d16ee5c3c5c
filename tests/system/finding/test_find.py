"""`minipacs find`: what is held by any key, as a table, JSON, CSV or UIDs for a pipe."""

import csv
import io
import json
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, encoded, minipacs
from support.program import run

from storage import Archive, Received, prepare

# Study, series, instance, and what they have of their own.
HELD: dict[tuple[str, str, str], dict[str, str]] = {
    ("1.1", "1.2", "1.3.1"): {"PatientID": "P1", "PatientName": "Müller^Jan", "Modality": "CT"},
    ("1.1", "1.2", "1.3.2"): {"PatientID": "P1", "PatientName": "Müller^Jan", "Modality": "CT"},
    ("1.1", "1.4", "1.3.3"): {"PatientID": "P1", "PatientName": "Müller^Jan", "Modality": "SR"},
    ("2.1", "2.2", "2.3.1"): {"PatientID": "P2", "PatientName": "Doe^Jane", "Modality": "MR",
                              "StationName": "MR1", "AccessionNumber": "A,2"},
    ("3.1", "3.2", "3.3.1"): {"PatientID": "P3", "PatientName": "", "Modality": "CT"},
}  # fmt: skip
DATES = {"1.1": "20240115", "2.1": "20241231", "3.1": "20250301"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> RunningNode:
    """The data of a node that does not run."""
    node = RunningNode(tmp_path_factory.mktemp("finding"), {})
    prepare(node.data, sync=False, charset="")
    archive = Archive(node.data, sync=False)
    for (study, series, instance), own in HELD.items():
        made = ct(study, series, instance, StudyDate=DATES[study], **own)
        made.SpecificCharacterSet = "ISO_IR 192"
        title = "MR1" if study == "2.1" else "CT1"
        archive.store(Received(CT, instance, EXPLICIT, encoded(made), "", title))
    archive.close_thread()
    return node


def find(node: RunningNode, *given: str, code: int = 0) -> str:
    done = minipacs("find", node, *given)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    return done.stdout


STUDIES: dict[tuple[str, ...], list[str]] = {
    (): ["1.1", "2.1", "3.1"],
    ("Modality=CT",): ["1.1", "3.1"],
    ("Modality=CT", "Modality=MR"): ["1.1", "2.1", "3.1"],
    ("StudyDate=20241231-",): ["2.1", "3.1"],
    ("StudyDate=-20241231", "Modality=CT"): ["1.1"],
    ("PatientName=muller*",): ["1.1"],
    ("PatientName=DOE^JANE",): ["2.1"],
    ('PatientName=""',): ["3.1"],
    ("PatientName=jayn", "--fuzzy"): ["1.1", "2.1"],
    ("PatientID=P1\\P3",): ["1.1", "3.1"],
    ("ModalitiesInStudy=SR", "ModalitiesInStudy=MR"): ["1.1", "2.1"],
    ("StationName=MR1", "StationName=CT9"): ["2.1"],
    ("StationName=MR?",): ["2.1"],
    ("(0008,1010)=MR1",): ["2.1"],
    ("00081010=MR1",): ["2.1"],
    ("NumberOfStudyRelatedInstances=3",): ["1.1"],
    ("Sender=MR1",): ["2.1"],
    ("Sender=CT*", "StudyDate=20250101-"): ["3.1"],
    ("SOPInstanceUID=1.3.3",): ["1.1"],
    ("--limit", "2"): ["1.1", "2.1"],
}


@pytest.mark.parametrize("asked", STUDIES, ids=" ".join)
def test_studies_are_found_by_any_key(node: RunningNode, asked: tuple[str, ...]) -> None:
    found = find(node, *asked, "--uids").split()
    assert sorted(found) == STUDIES[asked]


@pytest.mark.parametrize(("level", "expected"), [
    ("patient", ["P1", "P3"]), ("study", ["1.1", "3.1"]), ("series", ["1.2", "3.2"]),
    ("instance", ["1.3.1", "1.3.2", "3.3.1"]),
])  # fmt: skip
def test_what_is_found_is_of_the_level(node: RunningNode, level: str, expected: list[str]) -> None:
    assert sorted(find(node, "Modality=CT", "--level", level, "--uids").split()) == expected


def test_json_has_uids_values_and_what_is_shown(node: RunningNode) -> None:
    shown = ("--show", "StationName,Sender", "--show", "Bytes", "-s", "FirstReceived")
    asked = ("PatientID=P2", "--level", "series", "--json")
    (found,) = json.loads(find(node, *asked, *shown))
    assert found["SeriesInstanceUID"] == "2.2"
    assert (found["StudyInstanceUID"], found["PatientName"]) == ("2.1", "Doe^Jane")
    assert (found["StationName"], found["Sender"]) == ("MR1", "MR1")
    assert int(found["Bytes"]) > 0
    assert found["FirstReceived"].startswith("20")


def test_csv_is_read_as_it_was_written(node: RunningNode) -> None:
    rows = csv.DictReader(io.StringIO(find(node, "--csv", "StudyDate=20240101-20241231")))
    shown = ("StudyInstanceUID", "PatientName", "AccessionNumber")
    assert sorted([row[name] for name in shown] for row in rows) == [
        ["1.1", "Müller^Jan", ""], ["2.1", "Doe^Jane", "A,2"],
    ]  # fmt: skip


def test_a_table_has_a_title_and_a_line_for_each(node: RunningNode) -> None:
    done = minipacs("find", node, "--level", "series")
    title, *lines = done.stdout.splitlines()
    assert title.split()[:2] == ["PatientID", "PatientName"]
    assert len(lines) == 4
    assert done.stderr == "series=4\n"


def test_nothing_found_is_told_by_the_exit_code(node: RunningNode) -> None:
    assert json.loads(find(node, "PatientID=P9", "--json", code=1)) == []
    assert find(node, "PatientID=P9", "--uids", code=1) == ""


@pytest.mark.parametrize(("asked", "words"), [
    ("Modalty=CT", "Modalty is no attribute of PS3.6; the nearest is Modality"),
    ("StudyDate=soon", "StudyDate=soon: takes YYYYMMDD, or a range such as"),
    ("CT", 'takes Keyword=VALUE such as Modality=CT, not "CT"'),
    ("=CT", 'takes Keyword=VALUE such as Modality=CT, not "=CT"'),
    ("Modality.CodeValue=1", "Modality.CodeValue: Modality is no sequence"),
])  # fmt: skip
def test_what_cannot_be_asked_is_told(node: RunningNode, asked: str, words: str) -> None:
    done = minipacs("find", node, asked)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_of_a_lower_level_is_not_shown(node: RunningNode) -> None:
    done = minipacs("find", node, "--show", "StationName")
    assert done.returncode == 2
    assert "StationName is of the level series: a study has several" in done.stderr


def test_two_forms_are_one_too_many(node: RunningNode) -> None:
    assert "takes one of --json, --csv and --uids" in minipacs(
        "find", node, "--json", "--csv"
    ).stderr  # fmt: skip


def test_without_an_archive_there_is_nothing_to_look_in(tmp_path: Path) -> None:
    done = run("find", "-c", tmp_path / "none.toml")
    assert done.returncode != 0
    assert "none.toml" in done.stderr
    assert "Traceback" not in done.stderr
