"""Each service as its users see it: DCMTK's clients and pynetdicom against a running node."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    GET,
    MOVE,
    START_SECONDS,
    TEST_FILES,
    Address,
    Inbox,
    RunningNode,
    Sample,
    client,
    data_set_bytes,
    dcmtk,
    destination,
    free_port,
    getting,
    identifier,
    keys,
    retrieved,
    running_node,
    samples,
)

FOLDERS = ("77654033", "98892001", "98892003")

# What the folders hold; A to F are studies.
A = "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.1"
B = "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.1"
C = "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.1"
D = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1"
E = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.133"
F = "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.427"
C_SERIES = ("1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.2",
            "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.6")  # fmt: skip
SENT = [s for s in samples() if s.name.startswith(tuple(f"dicomdirtests/{f}/" for f in FOLDERS))]
IN_STUDY = Counter(sample.uids[0] for sample in SENT)


@dataclass(frozen=True)
class Filled:
    """A node that storescu sent the folders to, and what there is to know about it."""

    node: RunningNode
    output: str  # storescu's
    sent: dict[str, bytes]  # what it sent, by SOP Instance UID: it encodes data sets anew
    peer: Inbox  # of the move destination PEER
    storescp: Path  # where the move destination STORESCP writes
    movescu_port: str
    opened: str
    closed: str
    log: list[str]

    def of_study(self, *studies: str) -> dict[str, bytes]:
        """What of it belongs to these studies."""
        return self.of(s for s in SENT if s.uids[0] in studies)

    def of(self, wanted: Iterator[Sample]) -> dict[str, bytes]:
        """What was sent of these samples."""
        return {sample.uids[2]: self.sent[sample.uids[2]] for sample in wanted}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name in FOLDERS:
        shutil.copytree(TEST_FILES / "dicomdirtests" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sent(source: Path) -> dict[str, bytes]:
    """The bytes that storescu makes of the folder, by sending it elsewhere."""
    with destination("ELSEWHERE") as (inbox, port):
        client("storescu", Address("ELSEWHERE", port), ["+sd", "+r"], [source])
        return inbox.data_sets()


@pytest.fixture(scope="module")
def filled(
    source: Path, sent: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    received = folder / "storescp"
    received.mkdir()
    movescu_port = free_port()
    with destination("PEER") as (inbox, port), storescp(received) as storescp_port:
        peers = {
            "PEER": {"host": "127.0.0.1", "port": port},
            "STORESCP": {"host": "127.0.0.1", "port": storescp_port},
            "MOVESCU": {"host": "127.0.0.1", "port": movescu_port},
            "DOWN": {"host": "127.0.0.1", "port": free_port()},
            "NO ADDRESS": {},
        }
        with running_node(folder, {"peers": peers}) as node:
            output = client("storescu", node, ["+sd", "+r"], [source])
            closed = node.wait_for_log("association closed", "peer=STORESCU")
            opened = node.wait_for_log("association opened", "peer=STORESCU")
            log = list(node.log)
            yield Filled(
                node, output, sent, inbox, received, str(movescu_port), opened, closed, log
            )


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """DCMTK's storescp, which writes what it gets as it gets it; the port."""
    port = free_port()
    process = subprocess.Popen(
        [dcmtk("storescp"), "-v", "-aet", "STORESCP", "+xa", "+B", "-od", folder, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        echo = [dcmtk("echoscu"), "-to", "1", "127.0.0.1", str(port)]
        for _ in range(START_SECONDS * 10):
            if subprocess.run(echo, capture_output=True, timeout=CLIENT_SECONDS).returncode == 0:
                break
            assert process.poll() is None, process.stdout and process.stdout.read()
        else:
            raise AssertionError("storescp does not answer")
        yield port
    finally:
        process.kill()
        process.communicate()


def written(folder: Path) -> dict[str, bytes]:
    """What a client wrote into `folder`, by SOP Instance UID; the folder is empty afterwards."""
    found = {}
    for path in folder.iterdir():
        uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        assert uid not in found
        found[uid] = data_set_bytes(path)
        path.unlink()
    return found


def rows(folder: Path) -> list[Dataset]:
    """The answers that findscu -X wrote into `folder`."""
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def ends_in(line: str, pattern: str) -> re.Match[str]:
    match = re.search(pattern + "$", line)
    assert match, line
    return match


# ---- C-ECHO


def test_echoscu_gets_success_and_the_log_names_it(filled: Filled) -> None:
    mark = filled.node.mark()
    output = client("echoscu", filled.node, ["-aet", "ECHO SCU"])
    assert "Received Echo Response (Success)" in output
    opened = filled.node.wait_for_log('association opened peer="ECHO SCU"', after=mark)
    closed = filled.node.wait_for_log('association closed peer="ECHO SCU"', after=mark)
    port = ends_in(opened, r' peer="ECHO SCU" address=127\.0\.0\.1:(\d+) contexts=1 refused=0')[1]
    ends_in(
        closed,
        rf' peer="ECHO SCU" address=127\.0\.0\.1:{port} by=release requests=1 bytes_in=0 '
        r"bytes_out=0 seconds=\d+\.\d{3}",
    )


# ---- C-STORE


def test_storescu_is_told_success_for_every_file(filled: Filled) -> None:
    assert len(SENT) == len(filled.sent) == 31
    assert filled.output.count("Received Store Response (Success)") == 31
    assert filled.output.count("Received Store Response") == 31


def test_the_tree_holds_what_storescu_sent_byte_for_byte(filled: Filled) -> None:
    expected = {
        filled.node.data.joinpath("tree", *sample.uids[:2], f"{sample.uids[2]}.dcm"): (
            filled.sent[sample.uids[2]]
        )
        for sample in SENT
    }
    assert {path: data_set_bytes(path) for path in filled.node.files()} == expected


def test_a_file_of_the_tree_opens_anywhere_and_is_the_original(filled: Filled) -> None:
    for sample in SENT:
        held = dcmread(filled.node.path(sample.dataset))
        assert held == sample.dataset
        assert held.file_meta.MediaStorageSOPClassUID == sample.sop_class_uid
        assert held.file_meta.MediaStorageSOPInstanceUID == sample.sop_instance_uid
        assert held.file_meta.TransferSyntaxUID == EXPLICIT
        meta_bytes = held.file_meta.FileMetaInformationGroupLength
        size = filled.node.path(sample.dataset).stat().st_size
        # Preamble, prefix and the group length's own element.
        assert size == 128 + 4 + 12 + meta_bytes + len(filled.sent[sample.sop_instance_uid])


def test_the_log_has_a_line_per_stored_instance_and_a_sum_at_the_end(filled: Filled) -> None:
    ends_in(filled.opened, r" peer=STORESCU address=127\.0\.0\.1:\d+ contexts=128 refused=0")
    stored = {}
    for line in (line for line in filled.log if " stored " in line):
        match = ends_in(
            line,
            r" INFO +stored peer=STORESCU address=127\.0\.0\.1 instance=([0-9.]+) "
            r"bytes=(\d+) seconds=\d+\.\d{3}",
        )
        stored[match[1]] = int(match[2])
    assert stored == {uid: len(data) for uid, data in filled.sent.items()}
    total = sum(stored.values())
    ends_in(
        filled.closed,
        r" peer=STORESCU address=127\.0\.0\.1:\d+ by=release requests=31 "
        rf"bytes_in={total} bytes_out=0 seconds=\d+\.\d{{3}}",
    )


def test_sending_again_changes_nothing(filled: Filled, source: Path) -> None:
    before = {path: path.stat() for path in filled.node.files()}
    mark = filled.node.mark()
    output = client("storescu", filled.node, ["+sd", "+r"], [source])
    assert output.count("Received Store Response (Success)") == 31
    filled.node.wait_for_log("association closed peer=STORESCU", after=mark)
    assert len(filled.node.logged(" already there peer=STORESCU", after=mark)) == 31
    assert {path: path.stat() for path in filled.node.files()} == before


# ---- C-FIND

# model, level, keys, the answers' values of the keys asked for
FINDS = [
    ("-P", "PATIENT", {"PatientID": "", "PatientName": ""},
     {("77654033", "Doe^Archibald"), ("98890234", "Doe^Peter")}),
    ("-P", "PATIENT", {"PatientID": "9889*", "NumberOfPatientRelatedStudies": "",
                       "NumberOfPatientRelatedSeries": "", "NumberOfPatientRelatedInstances": ""},
     {("98890234", "4", "9", "24")}),
    ("-P", "STUDY", {"PatientID": "77654033", "StudyInstanceUID": "", "StudyDate": ""},
     {("77654033", A, "20010101"), ("77654033", B, "19950903")}),
    ("-P", "SERIES", {"PatientID": "98890234", "StudyInstanceUID": C, "SeriesInstanceUID": "",
                      "SeriesNumber": ""},
     {("98890234", C, C_SERIES[0], "4"), ("98890234", C, C_SERIES[1], "5")}),
    ("-P", "IMAGE", {"PatientID": "98890234", "StudyInstanceUID": C,
                     "SeriesInstanceUID": C_SERIES[0], "SOPInstanceUID": "", "InstanceNumber": ""},
     {("98890234", C, C_SERIES[0], f"1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.{n}", str(i))
      for n, i in ((3, 1), (5, 2))}),
    ("-S", "STUDY", {"StudyInstanceUID": "", "PatientName": "", "ModalitiesInStudy": "",
                     "NumberOfStudyRelatedSeries": "", "NumberOfStudyRelatedInstances": ""},
     {(A, "Doe^Archibald", "CR", "3", "3"), (B, "Doe^Archibald", "CT", "1", "4"),
      (C, "Doe^Peter", "CT", "2", "7"), (D, "Doe^Peter", "MR", "3", "11"),
      (E, "Doe^Peter", "MR", "2", "4"), (F, "Doe^Peter", "MR", "2", "2")}),
    ("-S", "STUDY", {"StudyInstanceUID": "", "PatientName": "doe^p*",
                     "StudyDate": "20010101-20021231"},
     {(C, "Doe^Peter", "20010101")}),
    ("-S", "STUDY", {"StudyInstanceUID": f"{A}\\{F}", "AccessionNumber": ""},
     {(A, "2"), (F, "428")}),
    ("-S", "STUDY", {"StudyInstanceUID": "", "ModalitiesInStudy": "CR"}, {(A, "CR")}),
    ("-S", "SERIES", {"StudyInstanceUID": D, "SeriesNumber": "", "Modality": "",
                      "NumberOfSeriesRelatedInstances": ""},
     {(D, "1", "MR", "1"), (D, "2", "MR", "3"), (D, "700", "MR", "7")}),
    ("-S", "IMAGE", {"StudyInstanceUID": B,
                     "SeriesInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.2",
                     "InstanceNumber": "", "SOPClassUID": ""},
     {(B, "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.2", number, CT)
      for number in ("18", "180", "181", "182")}),
    ("-S", "STUDY", {"StudyInstanceUID": "", "PatientName": "Nobody"}, set()),
    ("-O", "PATIENT", {"PatientID": "", "PatientName": "*PETER"}, {("98890234", "Doe^Peter")}),
    ("-O", "STUDY", {"PatientID": "98890234", "StudyInstanceUID": "", "StudyID": ""},
     {("98890234", C, "2"), ("98890234", D, "2"), ("98890234", E, "134"),
      ("98890234", F, "428")}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "level", "asked", "expected"), FINDS)
def test_findscu(
    filled: Filled,
    tmp_path: Path,
    model: str,
    level: str,
    asked: dict[str, str],
    expected: set[tuple[str, ...]],
) -> None:
    mark = filled.node.mark()
    options = [model, "-X", "-od", tmp_path, *keys(QueryRetrieveLevel=level, **asked)]
    output = client("findscu", filled.node, options)
    answers = rows(tmp_path)
    found = [tuple(_text(answer, keyword) for keyword in asked) for answer in answers]
    assert len(found) == len(expected)  # one answer an entity
    assert set(found) == expected
    assert output.count("(Pending)") == len(expected)
    assert "Received Final Find Response (Success)" in output
    for answer in answers:
        assert answer.QueryRetrieveLevel == level
        assert answer.RetrieveAETitle == "MINIPACS"
        # Nothing that was not asked for (PS3.4 C.4.1.1.3.2).
        assert {e.keyword for e in answer} == {*asked, "QueryRetrieveLevel", "RetrieveAETitle"}
    root = {"-P": "PATIENT", "-S": "STUDY", "-O": "PATIENT_STUDY_ONLY"}[model]
    line = filled.node.wait_for_log("queried peer=FINDSCU", after=mark)
    ends_in(
        line,
        rf" INFO +queried peer=FINDSCU address=127\.0\.0\.1 root={root} level={level} "
        rf"answers={len(expected)} status=0000 seconds=\d+\.\d{{3}}",
    )


def _text(answer: Dataset, keyword: str) -> str:
    value = answer[keyword].value
    return "\\".join(map(str, value)) if hasattr(value, "append") else str(value)


SYNTAXES = {
    "-x=": "Little Endian Explicit",
    "-xb": "Big Endian Explicit",
    "-xi": "Little Endian Implicit",
    "-xd": "Little Endian Explicit",  # offered too, and not every requestor deflates
}


@pytest.mark.parametrize("option", SYNTAXES)
def test_findscu_in_every_transfer_syntax(filled: Filled, tmp_path: Path, option: str) -> None:
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID="", NumberOfStudyRelatedInstances="")
    output = client("findscu", filled.node, ["-S", option, "-X", "+sr", "-od", tmp_path, *asked])
    assert f"Used TransferSyntax: {SYNTAXES[option]}" in output.partition("Find Response: 1")[2]
    counts = {row.StudyInstanceUID: row.NumberOfStudyRelatedInstances for row in rows(tmp_path)}
    assert counts == IN_STUDY


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_patient_study_only_has_no_lower_levels(filled: Filled, level: str) -> None:
    asked = keys(QueryRetrieveLevel=level, PatientID="98890234", StudyInstanceUID=C)
    output = client("findscu", filled.node, ["-O", *asked])
    assert "Received Final Find Response (Error: DataSetDoesNotMatchSOPClass)" in output
    assert "(Pending)" not in output


# ---- C-MOVE

# model, level, unique keys, what is sent
RETRIEVES = [
    ("-P", {"QueryRetrieveLevel": "PATIENT", "PatientID": "77654033"},
     lambda s: s.uids[0] in (A, B)),
    ("-P", {"QueryRetrieveLevel": "STUDY", "PatientID": "98890234", "StudyInstanceUID": E},
     lambda s: s.uids[0] == E),
    ("-P", {"QueryRetrieveLevel": "STUDY", "PatientID": "77654033", "StudyInstanceUID": E},
     lambda s: False),  # another patient's
    ("-O", {"QueryRetrieveLevel": "PATIENT", "PatientID": "98890234"},
     lambda s: s.uids[0] in (C, D, E, F)),
    ("-O", {"QueryRetrieveLevel": "STUDY", "PatientID": "98890234", "StudyInstanceUID": F},
     lambda s: s.uids[0] == F),
    ("-S", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": D}, lambda s: s.uids[0] == D),
    ("-S", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": f"{A}\\{F}"},
     lambda s: s.uids[0] in (A, F)),
    ("-S", {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": C,
            "SeriesInstanceUID": C_SERIES[1]}, lambda s: s.uids[1] == C_SERIES[1]),
    ("-S", {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": A,
            "SeriesInstanceUID": C_SERIES[1]}, lambda s: False),  # another study's
    ("-S", {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": C,
            "SeriesInstanceUID": C_SERIES[0],
            "SOPInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.3"},
     lambda s: s.uids[2].endswith(".1194734704.16302.0.3")),
]  # fmt: skip
ROOTS = {"-P": "PATIENT", "-S": "STUDY", "-O": "PATIENT_STUDY_ONLY"}


@pytest.mark.parametrize(("model", "asked", "wanted"), RETRIEVES)
def test_movescu_to_storescp(filled: Filled, model: str, asked: dict[str, str], wanted) -> None:
    expected = filled.of(filter(wanted, SENT))
    mark = filled.node.mark()
    output = client("movescu", filled.node, [model, "-aem", "STORESCP", *keys(**asked)])
    assert "Received Final Move Response (Success)" in output
    assert output.count("(Pending)") == max(len(expected) - 1, 0)
    assert written(filled.storescp) == expected
    line = filled.node.wait_for_log("moved peer=MOVESCU", after=mark)
    ends_in(
        line,
        r" INFO +moved peer=MOVESCU address=127\.0\.0\.1 destination=STORESCP "
        rf"level={asked['QueryRetrieveLevel']} sent={len(expected)} failed=0 warned=0 status=0000 "
        rf"bytes={sum(map(len, expected.values()))} seconds=\d+\.\d{{3}}",
    )


@pytest.mark.parametrize(("model", "asked", "wanted"), RETRIEVES)
def test_move_to_pynetdicom(filled: Filled, model: str, asked: dict[str, str], wanted) -> None:
    expected = filled.of(filter(wanted, SENT))
    uid = MOVE[ROOTS[model]]
    filled.peer.calling.clear()
    with filled.node.association((uid, EXPLICIT), ae_title="ASKER") as association:
        query = identifier(asked["QueryRetrieveLevel"], **_without_level(asked))
        responses = association.send_c_move(query, "PEER", uid, msg_id=4711, priority=1)
        answer = retrieved(responses)
    arrived = filled.peer.take_all()
    assert {uid: item.data_set for uid, item in arrived.items()} == expected
    assert (answer.status, answer.counts) == (0x0000, (len(expected), 0, 0))
    assert "NumberOfRemainingSuboperations" not in answer.final
    # With every instance, and once a second where the first takes longer.
    told = [pending.NumberOfCompletedSuboperations for pending in answer.pending]
    assert list(dict.fromkeys(one for one in told if one)) == list(
        range(1, max(told, default=0) + 1)
    )
    for pending in answer.pending:
        completed = pending.NumberOfCompletedSuboperations
        assert pending.NumberOfRemainingSuboperations == len(expected) - completed
        assert pending.NumberOfFailedSuboperations == pending.NumberOfWarningSuboperations == 0
    assert filled.peer.calling == ["MINIPACS"][: len(expected)]
    for item in arrived.values():
        # PS3.7 9.1.1.1: the requestor's title and message ID; the request's priority.
        assert item.message.MoveOriginatorApplicationEntityTitle == "ASKER"
        assert item.message.MoveOriginatorMessageID == 4711
        assert item.message.Priority == 1
    message_ids = [item.message.MessageID for item in arrived.values()]
    assert len(set(message_ids)) == len(message_ids)


def _without_level(asked: dict[str, str]) -> dict[str, list[str]]:
    return {k: v.split("\\") for k, v in asked.items() if k != "QueryRetrieveLevel"}


def test_movescu_can_be_its_own_destination(filled: Filled, tmp_path: Path) -> None:
    # With +B it writes to its working directory, whatever -od says.
    options = ["-S", "-aem", "MOVESCU", "+P", filled.movescu_port, "+xa", "+B"]
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=B)
    output = client("movescu", filled.node, [*options, *asked], cwd=tmp_path)
    assert "Received Final Move Response (Success)" in output
    assert written(tmp_path) == filled.of_study(B)


def test_what_the_destination_refuses_does_not_stop_the_rest(filled: Filled) -> None:
    expected = filled.of_study(D)
    refused, warned = sorted(expected)[3:6], sorted(expected)[7]
    filled.peer.statuses = dict.fromkeys(refused, 0xA700) | {warned: 0xB000}
    mark = filled.node.mark()
    try:
        with filled.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=D)
            answer = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
    finally:
        filled.peer.statuses = {}
    assert filled.peer.data_sets() == expected
    assert (answer.status, answer.counts) == (0xB000, (7, 3, 1))  # PS3.4 C.4.2.3.1
    assert answer.identifier is not None
    assert sorted(answer.identifier.FailedSOPInstanceUIDList) == refused
    assert "A700" in answer.final.ErrorComment
    filled.node.wait_for_log("moved", "sent=7 failed=3 warned=1 status=B000", after=mark)
    for uid in refused:
        filled.node.wait_for_log("sub-operation failed", uid, "A700", after=mark)


def test_when_all_are_refused_the_move_has_failed(filled: Filled) -> None:
    expected = filled.of_study(F)
    filled.peer.statuses = dict.fromkeys(expected, 0xC000)
    try:
        with filled.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=F)
            answer = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
    finally:
        filled.peer.statuses = {}
    assert filled.peer.data_sets() == expected
    assert (answer.status, answer.counts) == (0xA702, (0, 2, 0))
    assert answer.identifier is not None
    assert set(answer.identifier.FailedSOPInstanceUIDList) == set(expected)


def test_a_move_is_cancelled(filled: Filled) -> None:
    """C-CANCEL after the first sub-operation; those that were under way may still come."""
    with filled.node.association((MOVE["STUDY"], EXPLICIT)) as association:
        uids = [A, B, C, D, E, F]
        query = identifier("STUDY", StudyInstanceUID=uids)
        pending = []
        for status, data_set in association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7):
            if status.Status == 0xFF00 and not pending:
                association.send_c_cancel(7, query_model=MOVE["STUDY"])
            pending.append((status, data_set))
    final, failed = pending[-1]
    arrived = filled.peer.take_all()
    assert final.Status == 0xFE00
    assert final.NumberOfCompletedSuboperations == len(arrived)
    assert final.NumberOfRemainingSuboperations == len(SENT) - len(arrived) > 0
    assert failed is not None
    assert not failed.get("FailedSOPInstanceUIDList")  # none failed


@pytest.mark.parametrize("title", ["STRANGER", "NO ADDRESS"])
def test_an_unknown_move_destination(filled: Filled, title: str) -> None:
    mark = filled.node.mark()
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=A)
    output = client("movescu", filled.node, ["-S", "-aem", title, *asked], code=69)
    assert "Received Final Move Response (Refused: MoveDestinationUnknown)" in output
    assert title in filled.node.wait_for_log("move refused peer=MOVESCU", after=mark)


def test_a_move_destination_that_is_down(filled: Filled) -> None:
    mark = filled.node.mark()
    with filled.node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID=A)
        answer = retrieved(association.send_c_move(query, "DOWN", MOVE["STUDY"]))
    assert (answer.status, answer.counts) == (0xA702, (0, 3, 0))
    assert answer.identifier is not None
    assert set(answer.identifier.FailedSOPInstanceUIDList) == set(filled.of_study(A))
    assert "DOWN" in answer.final.ErrorComment
    filled.node.wait_for_log("moved", "destination=DOWN", "failed=3", "status=A702", after=mark)


# ---- C-GET


@pytest.mark.parametrize(("model", "asked", "wanted"), RETRIEVES)
def test_getscu(filled: Filled, tmp_path: Path, model: str, asked: dict[str, str], wanted) -> None:
    expected = filled.of(filter(wanted, SENT))
    mark = filled.node.mark()
    output = client("getscu", filled.node, [model, "+B", "-od", tmp_path, *keys(**asked)])
    assert "Received C-GET Response (Success)" in output
    assert f"Number of Completed Suboperations : {len(expected)}\n" in output
    assert "Number of Failed Suboperations    : 0\n" in output
    assert written(tmp_path) == expected
    total = sum(map(len, expected.values()))
    ends_in(
        filled.node.wait_for_log("got peer=GETSCU", after=mark),
        rf" INFO +got peer=GETSCU address=127\.0\.0\.1 level={asked['QueryRetrieveLevel']} "
        rf"sent={len(expected)} failed=0 warned=0 status=0000 bytes={total} seconds=\d+\.\d{{3}}",
    )
    ends_in(
        filled.node.wait_for_log("association closed peer=GETSCU", after=mark),
        rf" address=\S+ by=release requests=1 bytes_in=0 bytes_out={total} seconds=\d+\.\d{{3}}",
    )


def test_get_of_what_the_requestor_takes_in_part(filled: Filled) -> None:
    """The CR images of a patient go, the CT images have no context: B000 and a failed list."""
    inbox, cr = Inbox(), str(UID("1.2.840.10008.5.1.4.1.1.1"))
    contexts = [(GET["PATIENT"], EXPLICIT), (cr, EXPLICIT)]
    options = getting(inbox, contexts, "PATIENT")
    with filled.node.association(*contexts, **options) as association:
        query = identifier("PATIENT", PatientID="77654033")
        answer = retrieved(association.send_c_get(query, GET["PATIENT"]))
    assert inbox.data_sets() == filled.of_study(A)
    assert (answer.status, answer.counts) == (0xB000, (3, 4, 0))
    assert answer.identifier is not None
    assert set(answer.identifier.FailedSOPInstanceUIDList) == set(filled.of_study(B))
