"""Metadata from documents that are kept: what each instance says itself, whatever became of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.imagingstudy import ImagingStudy
from fhir.resources.R4B.imagingstudy import ImagingStudy as ImagingStudyR4
from pydicom.dataset import Dataset
from support import CT, EXPLICIT, RunningNode, Sample, minipacs, running_node
from support.checks.dicomweb import TABLES, Web
from support.data.samples import ct, encoded

from scp.copies.corrected import AsCorrected
from scp.copies.documents import Documents, FhirVersion, factored, imaging_study, series_of
from storage import Archive
from storage.dicom import part10

STUDY, SERIES = "1.2.9", "1.2.9.1"
INSTANCES = [f"{SERIES}.{number}" for number in range(1, 5)]


def kept(node: RunningNode) -> dict[str, int]:
    """The documents that are kept, and when each was made."""
    found = (node.data / "metadata").rglob("*.gz")
    return {path.name.removesuffix(".gz"): path.stat().st_mtime_ns for path in found}


def alone(web: Web, *uids: str) -> list[Any]:
    """What each of some instances of the study says, asked for one by one: that is always read."""
    said = []
    for uid in uids:
        answer = web.get(f"studies/{STUDY}/series/{SERIES}/instances/{uid}/metadata")
        said += answer.json() if answer.status_code == 200 else []
    return said


def said_by(web: Web, path: str = f"studies/{STUDY}/series/{SERIES}/metadata") -> list[Any]:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def file_of(uid: str, **values: object) -> bytes:
    data_set = ct(STUDY, SERIES, uid, PatientID="P1", PatientName="Doe^Jane", **values)
    return part10.header(CT, uid, EXPLICIT) + encoded(data_set)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Web]:
    """A node with one series, whose document is made."""
    with running_node(tmp_path / "held", TABLES) as node:
        web = Web(node)
        assert web.store([file_of(uid) for uid in INSTANCES]).status_code == 200
        assert len(said_by(web)) == 4
        assert list(kept(node)) == [SERIES]
        yield web


def test_the_first_answer_and_those_from_the_document_are_what_each_instance_says(
    web: Web, held_samples: list[Sample]
) -> None:
    """All samples: in each encoding, character set, with private elements, damaged or deflated."""
    studies = {one.uids[0] for one in held_samples}
    for study in studies:
        answers = [web.get(f"studies/{study}/metadata") for _ in range(2)]
        assert answers[0].content == answers[1].content
        each = []
        for one in answers[0].json():
            series, uid = one["0020000E"]["Value"][0], one["00080018"]["Value"][0]
            url = f"studies/{study}/series/{series}/instances/{uid}/metadata"
            each += web.get(url).content.strip()[1:-1].split(b"\n")
        assert b"[%s]\n" % b",\n".join(each) == answers[0].content
    assert {one.uids[1] for one in held_samples} <= kept(web.node).keys()


def test_an_instance_that_comes_is_added_and_the_others_are_not_read_again(held: Web) -> None:
    for uid in INSTANCES[:3]:  # what is read of these now is no data set
        path = held.node.data / "tree" / STUDY / SERIES / f"{uid}.dcm"
        path.write_bytes(path.read_bytes()[:140].ljust(path.stat().st_size, b"\0"))
    held.store([file_of(f"{SERIES}.5", SeriesDescription="Later")])
    said = said_by(held)
    assert [one["00080018"]["Value"] for one in said] == [
        [uid] for uid in [*INSTANCES, f"{SERIES}.5"]
    ]
    assert said[3:] == alone(held, INSTANCES[3], f"{SERIES}.5")
    assert said_by(held) == said


def test_what_is_replaced_deleted_and_restored_is_told_as_it_is_now(held: Web) -> None:
    node = held.node
    held.store([file_of(INSTANCES[1], SeriesDescription="Replaced")])
    said = said_by(held)
    assert "Replaced" in json.dumps(said)
    assert sorted(map(str, said)) == sorted(map(str, alone(held, *INSTANCES)))
    minipacs("delete", node, "--instance", INSTANCES[1], "--yes")
    assert kept(node) == {}
    assert "Replaced" not in json.dumps(said_by(held))
    assert len(said_by(held)) == 3
    assert minipacs("restore", node, "--instance", INSTANCES[1]).returncode == 0
    assert len(said_by(held)) == 4
    assert "Replaced" in json.dumps(said_by(held))
    minipacs("delete", node, "--study", STUDY, "--yes")
    assert held.get(f"studies/{STUDY}/metadata").status_code == 404
    assert not [*(node.data / "metadata").iterdir()]


@pytest.mark.parametrize(
    ("level", "uid", "value", "told"),
    [
        ("--study", STUDY, "PatientName=Roe^Rita", "Roe^Rita"),
        ("--series", SERIES, "SeriesDescription=Other", "Other"),
        ("--instance", INSTANCES[2], "InstanceNumber=7777", "7777"),
        ("--patient", "P1", "PatientName=Roe^Rita", "Roe^Rita"),
    ],
)
def test_what_is_corrected_is_told_at_once_and_so_is_its_undoing(
    held: Web, level: str, uid: str, value: str, told: str
) -> None:
    before = said_by(held)
    assert minipacs("correct", held.node, level, uid, value, "--yes").returncode == 0
    said = said_by(held)
    assert said == alone(held, *INSTANCES)
    where = [told in json.dumps(one) for one in said]
    assert where == [level != "--instance" or one == uid for one in INSTANCES]
    assert said_by(held) == said
    assert minipacs("undo", held.node, "1", "--yes").returncode == 0
    assert said_by(held) == before


def test_documents_stay_right_over_a_rebuild_of_the_index(held: Web) -> None:
    before, made = said_by(held), kept(held.node)
    assert minipacs("rebuild", held.node).returncode == 0
    assert said_by(held) == before
    assert kept(held.node) == made


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"no document", None], ids=str)
def test_without_a_document_that_is_whole_the_answer_is_the_same(
    held: Web, content: bytes | None
) -> None:
    before = said_by(held)
    path = held.node.data / "metadata" / STUDY / f"{SERIES}.gz"
    if content is None:  # nothing can be kept
        path.unlink()
        path.parent.rmdir()
        path.parent.write_bytes(b"")
    else:
        path.write_bytes(content)
    assert said_by(held) == before
    assert said_by(held) == before
    if content is None:
        path.parent.unlink()
        assert any("metadata not kept" in line for line in held.node.log)


def test_a_document_is_made_once_it_is_quiet(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, TABLES)
    node.constants = {"scp.node.upkeep.document_maker.QUIET_SECONDS": 0.2,
                      "scp.runtime.heartbeat.BEAT_SECONDS": 0.2}  # fmt: skip
    node.start()
    try:
        web = Web(node)
        web.store([file_of(uid) for uid in INSTANCES])
        node.wait_for_log("metadata made")
        made = kept(node)
        assert list(made) == [SERIES]
        assert said_by(web) == alone(web, *INSTANCES)
        assert kept(node) == made  # that was it
    finally:
        assert node.stop() == 0
    assert node.bugs() == []


def test_none_is_kept_where_none_may_be(tmp_path: Path) -> None:
    with running_node(tmp_path / "none", {**TABLES, "storage": {"metadata_bytes": 0}}) as node:
        web = Web(node)
        web.store([file_of(INSTANCES[0])])
        assert said_by(web) == alone(web, INSTANCES[0])
        assert kept(node) == {}


def test_a_study_is_shown_as_one_document(held: Web) -> None:
    held.store([file_of(f"{SERIES}.5", SeriesDescription="Later")])
    shown = json.loads(minipacs("show", held.node, "--study", STUDY, "--json").stdout)
    (series,) = shown["series"]
    assert (shown["StudyInstanceUID"], series["SeriesInstanceUID"]) == (STUDY, SERIES)
    whole = [shown["shared"] | series["shared"] | one for one in series["instances"]]
    each = json.loads(minipacs("show", held.node, "--study", STUDY, "--each").stdout)
    assert whole == each
    assert all(len(one) < 5 for one in series["instances"])
    of_web = said_by(held)
    assert [one | {"7FE00010": None} for one in of_web] == [
        one | {"7FE00010": None} for one in each
    ]
    assert of_web[0]["7FE00010"]["BulkDataURI"].endswith(
        f"/instances/{INSTANCES[0]}/{each[0]['7FE00010']['BulkDataURI']}"
    )
    assert Dataset.from_json({**each[0], "7FE00010": {"vr": "OW"}}).PatientName == "Doe^Jane"
    told = minipacs("show", held.node, "--study", STUDY).stdout
    assert told.startswith(f"study={STUDY} P1, Jane Doe")
    assert f"series={SERIES} modality=CT" in told
    missing = minipacs("show", held.node, "--study", "1.2.3")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "1.2.3: no study is held by that UID" in missing.stderr
    both = minipacs("show", held.node, "--study", STUDY, "--json", "--fhir")
    assert both.returncode == 2


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_study_is_shown_as_fhir_imaging_study(held: Web, version: str) -> None:
    minipacs(
        "correct", held.node, "--study", STUDY, "AccessionNumber=A1", "StudyDate=20260102", "--yes"
    )
    options = "--study", STUDY, "--fhir", "--fhir-version", version
    shown = json.loads(minipacs("show", held.node, *options).stdout)
    VALIDATORS[FhirVersion(version)](**shown)
    assert shown["identifier"][0]["value"] == f"urn:oid:{STUDY}"
    assert shown["identifier"][1]["value"] == "A1"
    assert shown["subject"] == {
        "type": "Patient",
        "identifier": {"value": "P1"},
        "display": "Jane Doe",
    }
    assert shown["started"] == "2026-01-02"
    coded = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    assert shown["modality"] == [coded if version == "R4" else {"coding": [coded]}]
    assert [one["uid"] for one in shown["series"][0]["instance"]] == INSTANCES
    assert (shown["numberOfSeries"], shown["numberOfInstances"]) == (1, 4)


VALIDATORS = {FhirVersion.R4: ImagingStudyR4, FhirVersion.R5: ImagingStudy}


def test_each_sample_makes_an_imaging_study_of_both_forms(
    web: Web, held_samples: list[Sample]
) -> None:
    archive = Archive(web.node.data, sync=False)
    documents = Documents(archive, AsCorrected(archive.tree, "TEST"), 0)
    studies = {one.uids[0] for one in held_samples}
    for study in studies:
        series = series_of(archive, documents, study)
        made = {one: imaging_study(study, [of for _, of in series], one) for one in FhirVersion}
        for version, resource in made.items():
            VALIDATORS[version](**resource)
        if series[0][1].text_of(next(iter(series[0][1].facts)), b"00080060"):
            with pytest.raises(ValueError, match="validation error"):
                ImagingStudy(**made[FhirVersion.R4])
        assert factored(study, series)["StudyInstanceUID"] == study
    archive.close_thread()
