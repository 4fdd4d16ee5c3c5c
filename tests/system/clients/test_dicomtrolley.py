"""dicomtrolley: searches by DICOM-QR and DICOMweb, and downloads by that."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from support import RunningNode, running_node
from support.checks.dicomweb import TABLES, Web
from support.data.corpus import fill, uid
from support.network.installed import output, python_with

pytestmark = pytest.mark.long

REQUIREMENTS = ("dicomtrolley==4.1.0", "pynetdicom==3.0.4", "pydicom==3.0.2")
PROGRAM = Path(__file__).parent / "programs" / "search.py"
OVER_HTTP = PROGRAM.with_name("trolley.py")
CHEST = {
    uid("scout"): [uid("scout.1")],
    uid("axial"): sorted(map(uid, ("axial.1", "axial.2", "axial.mpr"))),
    uid("dose"): [uid("dose.1")],
}
STUDIES = ("chest", "petct", "head", "knee", "german")

# The trees that a query finds: {study: {series: [instances]}}.
Trees = dict[str, dict[str, list[str]]]
Search = Callable[..., Any]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("dicomtrolley") / "venv", *REQUIREMENTS)


@pytest.fixture(scope="module")
def node(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), TABLES) as running:
        fill(running, *STUDIES)
        yield running


@pytest.fixture
def search(python: Path, node: RunningNode) -> Search:
    """Run the program: what it prints."""

    def run(**asked: Any) -> Any:
        words = json.dumps({"port": node.port, "called": node.title, **asked})
        return json.loads(output([python, PROGRAM, words]))

    return run


def trees(found: list[dict[str, Any]]) -> Trees:
    return {
        one["uid"]: {series: sorted(uids) for series, uids in one["series"].items()}
        for one in found
    }


SERIES: Trees = {uid("chest"): {series: [] for series in CHEST}}
# Names beyond Latin-1 it cannot ask for: it names no character set.
WITHOUT_SERIES: dict[str, Trees] = {name: {uid(name): {}} for name in STUDIES}


@pytest.mark.parametrize(("query", "expected"), [
    ({"PatientID": "P1"}, WITHOUT_SERIES["chest"] | WITHOUT_SERIES["petct"]),
    ({"PatientName": "Smith^J*"}, WITHOUT_SERIES["chest"] | WITHOUT_SERIES["petct"]
     | WITHOUT_SERIES["head"]),
    ({"AccessionNumber": "A_1"}, WITHOUT_SERIES["chest"]),
    ({"ModalitiesInStudy": "PT"}, WITHOUT_SERIES["petct"]),
    ({"min_study_date": "2024-01-20", "max_study_date": "2024-01-31"}, WITHOUT_SERIES["chest"]),
    ({"min_study_date": "2024-02-01"}, WITHOUT_SERIES["petct"]),
    ({"max_study_date": "2023-12-31"}, WITHOUT_SERIES["knee"]),
    ({"PatientName": "Müller*"}, WITHOUT_SERIES["german"]),
    ({"PatientID": "nobody"}, {}),
    ({"StudyInstanceUID": uid("chest"), "query_level": "SERIES"}, SERIES),
    ({"PatientID": "P1", "AccessionNumber": "A_1", "query_level": "SERIES"}, SERIES),
    ({"StudyInstanceUID": uid("chest"), "query_level": "INSTANCE"}, {uid("chest"): CHEST}),
    ({"SeriesInstanceUID": uid("axial"), "query_level": "INSTANCE"},
     {uid("chest"): {uid("axial"): CHEST[uid("axial")]}}),
    ({"extended": True, "ProtocolName": "Thorax*", "query_level": "SERIES"},
     {uid("chest"): {uid("axial"): []}}),
    ({"extended": True, "StudyInstanceUID": uid("chest"), "Modality": "SR",
      "query_level": "INSTANCE"}, {uid("chest"): {uid("dose"): CHEST[uid("dose")]}}),
    ({"extended": True, "StudyID": "2A"}, WITHOUT_SERIES["head"]),
], ids=lambda one: " ".join(one) if isinstance(one, dict) else None)  # fmt: skip
def test_a_query_finds_the_tree_of_what_matches(
    search: Search, query: dict[str, Any], expected: Trees
) -> None:
    (found,) = search(queries=[query])
    assert trees(found) == expected


def test_a_study_holds_the_fields_that_are_included(search: Search) -> None:
    wanted = {
        "PatientName": "Smith^John",
        "StudyDate": "20240131",
        "StudyDescription": "CT Chest",
        "ModalitiesInStudy": "['CT', 'SR']",
        "NumberOfStudyRelatedInstances": "5",
    }
    query = {"StudyInstanceUID": uid("chest"), "include_fields": list(wanted)}
    ((study,),) = search(queries=[query])
    assert {keyword: study["elements"][keyword] for keyword in wanted} == wanted


def test_the_references_that_a_download_needs_are_found(search: Search) -> None:
    """Of the study alone nothing is known but its UID: the searcher is asked for the rest."""
    expected = [
        [uid("chest"), series, instance] for series, uids in CHEST.items() for instance in uids
    ]
    assert sorted(search(references=uid("chest"))) == sorted(expected)


# ---- over HTTP


@pytest.mark.parametrize("by", ["rs", "study", "uri"])
@pytest.mark.parametrize(("query", "found"), [
    ({"StudyInstanceUID": uid("chest")}, [one for some in CHEST.values() for one in some]),
    ({"PatientName": "Müller*"}, None), ({"PatientID": "nobody"}, []),
])  # fmt: skip
def test_what_it_finds_it_downloads(
    python: Path, node: RunningNode, tmp_path: Path, by: str, query: dict[str, str],
    found: list[str] | None,
) -> None:  # fmt: skip
    folder = tmp_path / "downloaded"
    folder.mkdir()
    asked = {"origin": Web(node).origin, "by": by, "query": query, "folder": str(folder)}
    uids = json.loads(output([python, OVER_HTTP, json.dumps(asked)]).strip().split("\n")[-1])
    assert sorted(uids) == sorted(found) if found is not None else uids
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sorted(str(dcmread(path).SOPInstanceUID) for path in files) == sorted(uids)
