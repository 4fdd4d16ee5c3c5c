"""Orthanc as a client: what its users have it ask, fetch, send and have committed to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from support import RunningNode, Sample, running_node
from support.data.corpus import fill, uid
from support.data.pictures import frames, parsed, pictures, send_pictures
from support.network.orthanc import TITLE, Orthanc, Refused

pytestmark = pytest.mark.long

CHEST = {
    "scout": ["scout.1"],
    "axial": ["axial.1", "axial.2", "axial.mpr"],
    "dose": ["dose.1"],
}
PETCT = {"petct.ct": ["petct.ct.1"], "petct.pt": ["petct.pt.1", "petct.pt.2"]}
TRAILING_PADDING = Tag(0xFFFC, 0xFFFC)
STUDIES = ("chest", "petct", "head", "knee", "german", "russian", "japanese", "chinese", "unnamed")


def uids(*names: str) -> list[str]:
    return sorted(map(uid, names))


def instances(*studies: dict[str, list[str]]) -> list[str]:
    return uids(*(name for study in studies for names in study.values() for name in names))


@dataclass(frozen=True)
class Pair:
    """Orthanc, and a node that holds the corpus and the pictures; each knows the other."""

    orthanc: Orthanc
    node: RunningNode
    pictures: dict[str, Sample]

    def held(self) -> dict[str, bytes]:
        """The files that the node holds, by SOP Instance UID."""
        return {path.stem: path.read_bytes() for path in self.node.files()}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc")).running() as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def filled(running: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    peers = {TITLE: {"host": "127.0.0.1", "port": running.port}}
    with running_node(tmp_path_factory.mktemp("filled"), {"peers": peers}) as node:
        fill(node, *STUDIES)
        send_pictures(node)
        yield Pair(running, node, pictures())


@pytest.fixture
def pair(filled: Pair) -> Pair:
    """The node that is filled, and Orthanc without anything."""
    filled.orthanc.knows(filled.node)
    filled.orthanc.forget()
    return filled


@pytest.fixture
def empty(running: Orthanc, tmp_path: Path) -> Iterator[Pair]:
    """A node without anything, and Orthanc with the pictures."""
    peers = {TITLE: {"host": "127.0.0.1", "port": running.port}}
    with running_node(tmp_path / "empty", {"peers": peers}) as node:
        running.knows(node)
        running.forget()
        sent = pictures()
        for one in sent.values():
            running.call("POST", "/instances", one.path.read_bytes())
        yield Pair(running, node, sent)


def test_orthanc_echoes(pair: Pair) -> None:
    assert pair.orthanc.modality("echo", {}) == {}


# ---- queries


@pytest.mark.parametrize(("level", "keys", "unique", "expected"), [
    ("Patient", {"PatientID": "P*"}, "PatientID", ["P1", "P2", "P3"]),
    ("Study", {"PatientID": "P1"}, "StudyInstanceUID", uids("chest", "petct")),
    ("Study", {"StudyDate": "20240101-20240131"}, "StudyInstanceUID", uids("chest", "head")),
    ("Study", {"ModalitiesInStudy": "PT"}, "StudyInstanceUID", uids("petct")),
    ("Study", {"AccessionNumber": "A_1"}, "StudyInstanceUID", uids("chest")),
    ("Study", {"PatientID": "nobody"}, "StudyInstanceUID", []),
    ("Series", {"StudyInstanceUID": uid("chest")}, "SeriesInstanceUID", uids(*CHEST)),
    ("Series", {"PatientID": "P1", "Modality": "CT"}, "SeriesInstanceUID",
     uids("scout", "axial", "petct.ct")),
    ("Instance", {"SeriesInstanceUID": uid("axial")}, "SOPInstanceUID", uids(*CHEST["axial"])),
    ("Instance", {"PatientID": "P1"}, "SOPInstanceUID", instances(CHEST, PETCT)),
])  # fmt: skip
def test_a_query_finds_what_matches_at_each_level(
    pair: Pair, level: str, keys: dict[str, str], unique: str, expected: list[str]
) -> None:
    assert pair.orthanc.query(level, keys).uids(unique) == expected


@pytest.mark.parametrize(("pattern", "name"), [
    ("Müller*", "Müller^Jürgen"),
    ("Иванов*", "Иванов^Пётр"),
    ("*山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("*小东*", "Zhang^XiaoDong=张^小东"),
    ("Gómez*", "Gómez^José"),
])  # fmt: skip
def test_a_name_is_found_and_answered_in_its_script(pair: Pair, pattern: str, name: str) -> None:
    (found,) = pair.orthanc.query("Study", {"PatientName": pattern}).contents()
    assert found["PatientName"] == name


def test_an_answer_holds_what_was_asked_for(pair: Pair) -> None:
    wanted = {
        "StudyInstanceUID": uid("chest"),
        "PatientName": "Smith^John",
        "PatientBirthDate": "19600102",
        "StudyDescription": "CT Chest",
        "StudyTime": "103015.5",
        "ReferringPhysicianName": "Brown^Ann^^Dr.",
        "ModalitiesInStudy": "CT\\SR",
        "NumberOfStudyRelatedSeries": "3",
        "NumberOfStudyRelatedInstances": "5",
    }
    asked = dict.fromkeys(wanted, "") | {"StudyInstanceUID": uid("chest")}
    (found,) = pair.orthanc.query("Study", asked).contents()
    assert {keyword: found[keyword] for keyword in wanted} == wanted
    assert found["RetrieveAETitle"] == pair.node.title


def test_an_answer_leads_on_to_what_lies_below_it(pair: Pair) -> None:
    patient = pair.orthanc.query("Patient", {"PatientID": "P1"})
    assert patient.below(0, "studies", {}).uids("StudyInstanceUID") == uids("chest", "petct")
    assert patient.below(0, "series", {}).uids("SeriesInstanceUID") == uids(*CHEST, *PETCT)
    found = patient.below(0, "instances", {})
    assert found.uids("SOPInstanceUID") == instances(CHEST, PETCT)
    study = pair.orthanc.query("Study", {"StudyInstanceUID": uid("chest")})
    found = study.below(0, "series", {"Modality": "CT"})
    assert found.uids("SeriesInstanceUID") == uids("scout", "axial")
    found = study.below(0, "instances", {"InstanceNumber": ""})
    assert found.uids("SOPInstanceUID") == instances(CHEST)
    series = pair.orthanc.query("Series", {"SeriesInstanceUID": uid("axial")})
    assert series.below(0, "instances", {}).uids("SOPInstanceUID") == uids(*CHEST["axial"])


# ---- retrieves


@pytest.mark.parametrize(("level", "keys", "expected"), [
    ("Patient", {"PatientID": "P1"}, instances(CHEST, PETCT)),
    ("Study", {"StudyInstanceUID": uid("chest")}, instances(CHEST)),
    ("Study", {"PatientID": "P1"}, instances(CHEST, PETCT)),
    ("Series", {"SeriesInstanceUID": uid("axial")}, uids(*CHEST["axial"])),
    ("Instance", {"SOPInstanceUID": uid("axial.2")}, uids("axial.2")),
])  # fmt: skip
def test_what_a_query_found_is_retrieved(
    pair: Pair, level: str, keys: dict[str, str], expected: list[str]
) -> None:
    pair.orthanc.query(level, keys).retrieve()
    assert sorted(pair.orthanc.files()) == expected


def test_one_answer_of_several_is_retrieved(pair: Pair) -> None:
    answers = pair.orthanc.query("Series", {"PatientID": "P1"})
    found = [one["SeriesInstanceUID"] for one in answers.contents()]
    answers.retrieve(found.index(uid("axial")))
    assert sorted(pair.orthanc.files()) == uids(*CHEST["axial"])
    answers = pair.orthanc.query("Instance", {"SeriesInstanceUID": uid("petct.pt")})
    found = [one["SOPInstanceUID"] for one in answers.contents()]
    answers.retrieve(found.index(uid("petct.pt.2")))
    assert sorted(pair.orthanc.files()) == uids(*CHEST["axial"], "petct.pt.2")


def test_pictures_arrive_as_they_were_stored(pair: Pair) -> None:
    for one in pair.pictures.values():
        pair.orthanc.query("Study", {"StudyInstanceUID": one.uids[0]}).retrieve()
    assert_same(pair.orthanc.files(), pair.pictures)


def test_a_move_to_a_destination_is_driven_by_uids(pair: Pair) -> None:
    wanted = {"Level": "Series", "TargetAet": TITLE, "Synchronous": True}
    series = {"StudyInstanceUID": uid("chest"), "SeriesInstanceUID": uid("axial")}
    pair.orthanc.modality("move", wanted | {"Resources": [series]})
    assert sorted(pair.orthanc.files()) == uids(*CHEST["axial"])


def test_what_is_not_there_arrives_as_nothing(pair: Pair) -> None:
    wanted = {"Level": "Study", "TargetAet": TITLE, "Synchronous": True}
    pair.orthanc.modality("move", wanted | {"Resources": [{"StudyInstanceUID": "1.2.3.4"}]})
    assert pair.orthanc.files() == {}


def test_a_study_is_got(pair: Pair) -> None:
    wanted = {"Level": "Study", "Synchronous": True}
    try:
        pair.orthanc.modality("get", wanted | {"Resources": [{"StudyInstanceUID": uid("chest")}]})
    except Refused as refused:
        if refused.status != 404:
            raise
        version = pair.orthanc.call("GET", "/system")["Version"]
        pytest.skip(f"Orthanc {version} has no C-GET: install Orthanc 1.12.6 or newer")
    assert sorted(pair.orthanc.files()) == instances(CHEST)


# ---- storing


def test_what_orthanc_sends_is_stored_as_it_was(empty: Pair) -> None:
    patients = empty.orthanc.call("GET", "/patients")
    done = empty.orthanc.modality("store", {"Resources": patients, "Synchronous": True})
    assert (done["InstancesCount"], done["FailedInstancesCount"]) == (len(empty.pictures), 0)
    assert_same(empty.held(), empty.pictures)


def test_a_file_is_sent_straight_on(empty: Pair) -> None:
    """Not one that Orthanc holds."""
    one = next(one for one in empty.pictures.values() if one.name == "CT_small.dcm")
    empty.orthanc.forget()
    sent = empty.orthanc.modality("store-straight", one.path.read_bytes())
    assert sent["SOPInstanceUID"] == one.uids[2]
    assert_same(empty.held(), {one.uids[2]: one})


def test_what_was_committed_to_is_removed_and_fetched_back(empty: Pair) -> None:
    orthanc = empty.orthanc
    studies = orthanc.call("GET", "/studies")
    asked = {"Resources": studies, "StorageCommitment": True, "Synchronous": True}
    transaction = orthanc.modality("store", asked)["StorageCommitmentTransactionUID"]
    report = committed(empty, transaction)
    assert (report["Status"], report["RemoteAET"]) == ("Success", empty.node.title)
    assert {one["SOPInstanceUID"] for one in report["Success"]} == set(empty.pictures)
    orthanc.call("POST", f"/storage-commitment/{transaction}/remove", b"")
    assert orthanc.files() == {}
    for one in empty.pictures.values():
        orthanc.query("Study", {"StudyInstanceUID": one.uids[0]}).retrieve()
    assert_same(orthanc.files(), empty.pictures)


def test_what_the_node_does_not_hold_is_not_committed_to(empty: Pair) -> None:
    """Nor may it be removed then."""
    (one, *_) = empty.pictures.values()
    (study,) = empty.orthanc.call("POST", "/tools/lookup", one.uids[0].encode())
    asked = {"Resources": [study["ID"]]}
    transaction = empty.orthanc.modality("storage-commitment", asked)["ID"]
    report = committed(empty, transaction)
    assert (report["Status"], report["Success"]) == ("Failure", [])
    (failed,) = report["Failures"]
    assert (failed["SOPInstanceUID"], failed["FailureReason"]) == (one.uids[2], 0x0112)
    with pytest.raises(Refused):
        empty.orthanc.call("POST", f"/storage-commitment/{transaction}/remove", b"")


def committed(pair: Pair, transaction: str) -> dict[str, Any]:
    """What Orthanc says of a transaction, once the node has told it."""
    pair.node.wait_for_log("commitment ended", f"transaction={transaction}: reported")
    report = pair.orthanc.call("GET", f"/storage-commitment/{transaction}")
    assert isinstance(report, dict)
    return report


def assert_same(files: dict[str, bytes], sent: dict[str, Sample]) -> None:
    """That files are of just these instances, encoded as they were, and every element is there.

    But for padding (PS3.10 7.2), which Orthanc drops from what it is given over HTTP.
    """
    assert set(files) == set(sent)
    for uid_, one in sent.items():
        found = parsed(files[uid_])
        assert found.file_meta.TransferSyntaxUID == one.transfer_syntax_uid, one.name
        assert frames(found) == frames(one.dataset), one.name
        assert elements(found) == elements(one.dataset), one.name


def elements(data_set: Dataset) -> list[DataElement]:
    return [element for element in data_set if element.tag != TRAILING_PADDING]
