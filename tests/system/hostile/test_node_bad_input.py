"""What peers send that they should not: answered with the reason, and survived."""

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    Retrieved,
    RunningNode,
    StartNode,
    accepted,
    at_rest,
    ct,
    data_set_bytes,
    destination,
    encoded,
    find,
    free_port,
    getting,
    identifier,
    next_message,
    offending_elements,
    retrieved,
    running_node,
    send,
    store_fragments,
    store_request,
)

# pydicom warns of the values that are wrong here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

MR = str(MRImageStorage)
DEFLATED = str(DeflatedExplicitVRLittleEndian)
REFUSALS = range(0xA900, 0xD000)
FAILURES = {*range(0x0100, 0x0300), *range(0xA000, 0xB000), *range(0xC000, 0xD000)}
STUDY, SERIES = "1.2.826.1", "1.2.826.1.1"


@dataclass(frozen=True)
class Held:
    """A node that holds a study of two series of two instances each, and its move destination."""

    node: RunningNode
    peer: Inbox
    top: Path  # nothing outside of it can be reached by the UIDs in this file

    def everything(self) -> dict[Path, bytes]:
        """Every file below `top` but those that a node writes by itself, with its bytes.

        These are of the index with its mark, of the catalogue, of the log and of the audit trail.
        """
        own = ("index.sqlite", "settled", "catalogue.sqlite", "audit.jsonl")
        return {
            path: path.read_bytes()
            for path in self.top.rglob("*")
            if path.is_file() and not path.name.startswith(own) and path.parent.name != "log"
        }


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    top = tmp_path_factory.mktemp("top")
    folder = top / "a" / "b" / "c" / "d"
    folder.parent.mkdir(parents=True)
    with destination("PEER") as (inbox, port):
        peers = {
            "PEER": {"host": "127.0.0.1", "port": port},
            "DOWN": {"host": "127.0.0.1", "port": free_port()},
        }
        with running_node(folder, {"peers": peers, "query": {"hierarchy": "strict"}}) as node:
            with node.association((CT, EXPLICIT)) as association:
                for series, number in ((1, 1), (1, 2), (2, 1), (2, 2)):
                    instance = ct(STUDY, f"{STUDY}.{series}", f"{STUDY}.{series}.{number}")
                    assert store(association, instance).Status == 0x0000
            yield Held(node, inbox, top)


def store(association: Association, data_set: Dataset, instance: str | None = None) -> Any:
    """C-STORE a data set under its own UIDs, or under another SOP Instance UID."""
    uid = data_set.SOPInstanceUID if instance is None else instance
    return send(association, str(data_set.SOPClassUID), uid, encoded(data_set))


# ---- C-STORE: UIDs

NOT_UIDS = {
    "path": "../../x",
    "deep path": "../../../../../../x",
    "absolute path": "/tmp/minipacs-test",
    "parent": "..",
    "letters": "1.2.abc",
    "65 characters": "1." * 32 + "1",
    "empty": "",
    "empty component": "1..2",
    "leading dot": ".1",
    "trailing dot": "1.",
    "NUL inside": "1\0.2",
    "newline": "1.2\n3",
    "two": "1.2\\1.3",
    "wildcard": "1.2.*",
}
UID_TAGS = {
    "SOPInstanceUID": 0x00080018,
    "SeriesInstanceUID": 0x0020000E,
    "StudyInstanceUID": 0x0020000D,
}


@pytest.mark.parametrize("what", NOT_UIDS)
@pytest.mark.parametrize("keyword", UID_TAGS)
def test_what_is_no_uid_gets_a_failure_and_leaves_no_file(
    held: Held, keyword: str, what: str
) -> None:
    before = held.everything()
    data_set = ct("1.9.1", "1.9.2", "1.9.3")
    data_set[keyword] = raw(UID_TAGS[keyword], "UI", NOT_UIDS[what].encode())
    with held.node.association((CT, EXPLICIT)) as association:
        response = send(association, CT, "1.9.3", encoded(data_set))
        assert response.Status in REFUSALS
        assert response.ErrorComment
        assert offending_elements(response) == [UID_TAGS[keyword]]
        # The association goes on.
        assert store(association, ct(STUDY, SERIES, f"{SERIES}.1")).Status == 0x0000
    assert held.everything() == before
    assert not Path("/tmp/minipacs-test.dcm").exists()


@pytest.mark.parametrize("what", [what for what in NOT_UIDS if what != "two"])
def test_a_command_may_say_it_too(held: Held, what: str) -> None:
    """The same SOP Instance UID in command and data set."""
    before = held.everything()
    bad = NOT_UIDS[what]
    data_set = ct("1.9.1", "1.9.2", "1.9.3")
    data_set["SOPInstanceUID"] = raw(UID_TAGS["SOPInstanceUID"], "UI", bad.encode())
    with held.node.association((CT, EXPLICIT)) as association:
        response = send(association, CT, bad, encoded(data_set))
        assert response.Status in REFUSALS
        assert response.ErrorComment
    assert held.everything() == before


def raw(tag: int, vr: str, value: bytes) -> RawDataElement:
    """An element with exactly these bytes, padded to an even length."""
    value += b"\0" * (len(value) % 2) if vr == "UI" else b" " * (len(value) % 2)
    return RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)


@pytest.mark.parametrize(
    ("sop_class", "instance", "tags", "uids"),
    [
        (MR, "1.9.3", [0x00080016], (MR, CT)),
        (CT, "1.9.4", [0x00080018], ("1.9.4", "1.9.3")),
        (MR, "1.9.4", [0x00080016, 0x00080018], (MR, CT)),
    ],
)
def test_a_data_set_that_is_not_what_the_command_says(
    held: Held, sop_class: str, instance: str, tags: list[int], uids: tuple[str, str]
) -> None:
    before = held.everything()
    with held.node.association((CT, EXPLICIT), (MR, EXPLICIT)) as association:
        data = encoded(ct("1.9.1", "1.9.2", "1.9.3"))
        response = send(association, sop_class, instance, data)
    assert response.Status == 0xA900
    assert offending_elements(response) == tags
    assert names_both(response.ErrorComment, *uids), response.ErrorComment
    assert held.everything() == before


def names_both(comment: str, *uids: str) -> bool:
    """Whether an Error Comment has both UIDs, or their distinct ends where it is too short."""
    return all(uid in comment or uid[-8:] in comment for uid in uids)


def test_a_command_that_is_not_its_contexts_sop_class(held: Held) -> None:
    before = held.everything()
    with held.node.association((CT, EXPLICIT)) as association:
        data = encoded(ct("1.9.1", "1.9.2", "1.9.3", SOPClassUID=MR))
        response = send(association, MR, "1.9.3", data, context_class=CT)
        assert response.Status == 0xA900
        assert names_both(response.ErrorComment, MR, CT), response.ErrorComment
    assert held.everything() == before


# ---- C-STORE: data sets

WHOLE = encoded(ct("1.9.1", "1.9.2", "1.9.3"))


def _nested(depth: int) -> bytes:
    """Sequences of undefined length, each inside the one before, and none of them closed."""
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    return (sequence + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * depth


BROKEN = {
    "random bytes": random.Random(1).randbytes(5000),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "text": b"GET / HTTP/1.0\r\n\r\n" * 10,
    "cut in the header": WHOLE[:100],
    "a length beyond the end": WHOLE[:30] + struct.pack("<HH2sH", 8, 0x18, b"UI", 65000),
    "an element of 4 GiB": struct.pack("<HH2sHI", 8, 1, b"UT", 0, 0xFFFFFFFE) + WHOLE,
    "sequences without end": _nested(5000) + WHOLE,
    "a Part 10 file": bytes(128) + b"DICM" + WHOLE,
    "one byte": b"\x08",
    "implicit VR, said to be explicit": bytes.fromhex("0800160004000000") + b"1.2\0",
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_a_data_set_that_is_none(held: Held, what: str, syntax: str) -> None:
    before = held.everything()
    with held.node.association((CT, syntax), (CT, EXPLICIT)) as association:
        response = send(association, CT, "1.9.3", BROKEN[what], syntax)
        assert response.Status in REFUSALS
        assert response.ErrorComment
        assert store(association, ct(STUDY, SERIES, f"{SERIES}.1")).Status == 0x0000
    assert held.everything() == before


# keyword, the element's bytes, a key that finds it, what the answer holds; values as received
# stay as they are, whether the standard allows them or not
ODD_VALUES = [
    ("PatientID", "LO", b"", "", ""),
    ("PatientID", "LO", b"P" * 200, "P" * 200, "P" * 200),
    ("AccessionNumber", "SH", b"A" * 70, "A" * 70, "A" * 70),
    ("AccessionNumber", "SH", b"A" * 70, "A*", "A" * 70),
    ("StudyDate", "DA", b"2020.01.15", "20200115", "2020.01.15"),  # ACR-NEMA's, PS3.5 6.2
    ("StudyDate", "DA", b"yesterday", "", "yesterday"),
    ("StudyTime", "TM", b"25:61", "", "25:61"),
    ("PatientName", "PN", b"Doe^Jane^^^^^^X", "doe^jane*", "Doe^Jane^^^^^^X"),
    ("PatientName", "PN", b"M\xfcller^J\xf6rg", "muller*", "M\xfcller^J\xf6rg"),
    ("PatientName", "PN", b"M\xfcller^J\xf6rg", "M\xfcLLER^J\xd6RG", "M\xfcller^J\xf6rg"),
    ("PatientName", "PN", b"a=b=c=d=e", "a", "a=b=c=d=e"),
    ("StudyID", "SH", b"two\\values", "values", "two\\values"),
    ("StudyDescription", "LO", b"tab\there", "", "tab\there"),
    ("StudyDescription", "LO", b"100%_x", "100%_x", "100%_x"),
]


@pytest.mark.parametrize(("keyword", "vr", "value", "key", "answer"), ODD_VALUES)
def test_odd_values_are_stored_and_found(
    start_once: RunningNode, keyword: str, vr: str, value: bytes, key: str, answer: str
) -> None:
    node = start_once
    study = f"1.8.{node.mark()}"  # a new one every time
    data_set = ct(study, f"{study}.1", f"{study}.1.1", SpecificCharacterSet=None)
    data_set[keyword] = raw(tag_for_keyword(keyword) or 0, vr, value)
    data = encoded(data_set)
    assert value in data
    contexts = ((CT, EXPLICIT), (FIND["STUDY"], EXPLICIT))
    with node.association(*contexts) as association:
        response = send(association, CT, f"{study}.1.1", data)
        assert (response.Status, response.ErrorComment) == (0x0000, None)
        asked: dict[str, Any] = {keyword: key, "StudyInstanceUID": study}
        if not key.isascii():
            asked["SpecificCharacterSet"] = "ISO_IR 100"
        (found,), final = find(association, FIND["STUDY"], "STUDY", **asked)
        assert final.Status == 0x0000
        assert text(found, keyword) == answer
        assert found.StudyInstanceUID == study
        # And it narrows: something else does not find it.
        if key:
            asked[keyword] = "19000101" if vr == "DA" else "other"
            assert find(association, FIND["STUDY"], "STUDY", **asked)[0] == []
    assert data_set_bytes(node.path(data_set)) == data


def text(answer: Dataset, keyword: str) -> str:
    value = answer[keyword].value
    return "\\".join(map(str, value)) if hasattr(value, "append") else str(value or "")


@pytest.fixture(scope="module")
def start_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("odd")) as node:
        yield node


LEVELS_OF_IT = {
    "STUDY": {"StudyInstanceUID": "1.7.1"},
    "SERIES": {"StudyInstanceUID": "1.7.1", "SeriesInstanceUID": ""},
    "IMAGE": {"StudyInstanceUID": "1.7.1", "SeriesInstanceUID": "1.7.2", "SOPInstanceUID": ""},
}


def test_without_patient_id_it_is_found_at_every_level(start_once: RunningNode) -> None:
    node = start_once
    data_set = ct("1.7.1", "1.7.2", "1.7.3", PatientID=None, PatientName="Nobody^Known")
    models = [(FIND[root], EXPLICIT) for root in FIND]
    with node.association((CT, EXPLICIT), *models) as association:
        assert store(association, data_set).Status == 0x0000
        for level, unique in LEVELS_OF_IT.items():
            answers, final = find(association, FIND["STUDY"], level, **unique)
            assert (len(answers), final.Status) == (1, 0x0000)
        answers, _ = find(
            association, FIND["PATIENT"], "PATIENT", PatientID="", PatientName="nobody*"
        )
        assert [(str(a.PatientName), a.PatientID or "") for a in answers] == [("Nobody^Known", "")]


# ---- identifiers

SERVICES = [
    (service, root)
    for service in ("find", "move", "get")
    for root in ("STUDY", "PATIENT", "PATIENT_STUDY_ONLY")
]
LEVELS = {
    "missing": (None, ("STUDY", "PATIENT", "PATIENT_STUDY_ONLY")),
    "empty": ("", ("STUDY", "PATIENT", "PATIENT_STUDY_ONLY")),
    "unknown": ("FRAME", ("STUDY", "PATIENT", "PATIENT_STUDY_ONLY")),
    "lower case": ("study", ("STUDY",)),
    "PATIENT": ("PATIENT", ("STUDY",)),  # not of this model
    "SERIES": ("SERIES", ("PATIENT_STUDY_ONLY",)),
}


@pytest.mark.parametrize(
    ("service", "root", "what"),
    [(s, r, what) for s, r in SERVICES for what, (_, roots) in LEVELS.items() if r in roots],
)
def test_a_level_that_is_none(held: Held, service: str, root: str, what: str) -> None:
    query = identifier(
        LEVELS[what][0], PatientID="P1", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES
    )
    final, sent = ask(held, service, root, query)
    assert final.Status == 0xA900
    assert "Query/Retrieve Level" in final.ErrorComment
    assert offending_elements(final) == [0x00080052]
    assert sent == {}


def ask(held: Held, service: str, root: str, query: Dataset) -> tuple[Dataset, dict[str, bytes]]:
    """Find, move or get: the final status, and what was sent or answered, by UID."""
    if service == "find":
        with held.node.association((FIND[root], EXPLICIT)) as association:
            responses = list(association.send_c_find(query, FIND[root]))
        answers = [data for _, data in responses[:-1] if data is not None]
        return responses[-1][0], {str(n): encoded(a) for n, a in enumerate(answers)}
    answer, sent = retrieve(held, service, root, query)
    return answer.final, sent


def retrieve(
    held: Held, service: str, root: str, query: Dataset
) -> tuple[Retrieved, dict[str, bytes]]:
    """Move or get: the responses, and what was sent."""
    if service == "move":
        with held.node.association((MOVE[root], EXPLICIT)) as association:
            answer = retrieved(association.send_c_move(query, "PEER", MOVE[root]))
        return answer, held.peer.data_sets()
    inbox, contexts = Inbox(), [(GET[root], EXPLICIT), (CT, EXPLICIT)]
    with held.node.association(*contexts, **getting(inbox, contexts, root)) as association:
        answer = retrieved(association.send_c_get(query, GET[root]))
    return answer, inbox.data_sets()


# PS3.4 C.4.2.1.4.1: one value for each unique key down to the level, but UID lists at the level.
# root, level, keys, the element at fault
BAD_KEYS = [
    ("STUDY", "STUDY", {}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": ""}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": "*"}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": "1.2.826.*"}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": "1.2.826.?"}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": [STUDY, "*"]}, 0x0020000D),
    ("STUDY", "STUDY", {"PatientID": "P1"}, 0x0020000D),
    ("STUDY", "STUDY", {"StudyInstanceUID": "", "SeriesInstanceUID": SERIES}, 0x0020000D),
    ("STUDY", "SERIES", {"SeriesInstanceUID": SERIES}, 0x0020000D),
    ("STUDY", "SERIES", {"StudyInstanceUID": STUDY}, 0x0020000E),
    ("STUDY", "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ""}, 0x0020000E),
    ("STUDY", "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "*"}, 0x0020000E),
    ("STUDY", "SERIES", {"StudyInstanceUID": "*", "SeriesInstanceUID": SERIES}, 0x0020000D),
    ("STUDY", "SERIES", {"StudyInstanceUID": "", "SeriesInstanceUID": SERIES}, 0x0020000D),
    ("STUDY", "SERIES", {"StudyInstanceUID": [STUDY, "1.5"], "SeriesInstanceUID": SERIES},
     0x0020000D),
    ("STUDY", "IMAGE", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}, 0x00080018),
    ("STUDY", "IMAGE", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES,
                        "SOPInstanceUID": ""}, 0x00080018),
    ("STUDY", "IMAGE", {"StudyInstanceUID": STUDY, "SOPInstanceUID": f"{SERIES}.1"}, 0x0020000E),
    ("STUDY", "IMAGE", {"SOPInstanceUID": f"{SERIES}.1"}, 0x0020000D),
    ("STUDY", "IMAGE", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "*",
                        "SOPInstanceUID": f"{SERIES}.1"}, 0x0020000E),
    ("PATIENT", "PATIENT", {}, 0x00100020),
    ("PATIENT", "PATIENT", {"PatientID": ""}, 0x00100020),
    ("PATIENT", "PATIENT", {"PatientID": "*"}, 0x00100020),
    ("PATIENT", "PATIENT", {"PatientID": "P?"}, 0x00100020),
    ("PATIENT", "PATIENT", {"PatientID": ["P1", "P2"]}, 0x00100020),
    ("PATIENT", "PATIENT", {"PatientName": "Doe^Jane"}, 0x00100020),
    ("PATIENT", "STUDY", {"StudyInstanceUID": STUDY}, 0x00100020),
    ("PATIENT", "STUDY", {"PatientID": "", "StudyInstanceUID": STUDY}, 0x00100020),
    ("PATIENT", "STUDY", {"PatientID": "P*", "StudyInstanceUID": STUDY}, 0x00100020),
    ("PATIENT_STUDY_ONLY", "PATIENT", {"PatientID": "*"}, 0x00100020),
    ("PATIENT_STUDY_ONLY", "STUDY", {"PatientID": "P1", "StudyInstanceUID": ""}, 0x0020000D),
]  # fmt: skip


@pytest.mark.parametrize("service", ["move", "get"])
@pytest.mark.parametrize(("root", "level", "keys", "tag"), BAD_KEYS)
def test_a_retrieve_that_does_not_say_exactly_what(
    held: Held, service: str, root: str, level: str, keys: dict[str, Any], tag: int
) -> None:
    answer, sent = retrieve(held, service, root, identifier(level, **keys))
    assert sent == {}
    assert answer.status == 0xA900
    assert answer.final.ErrorComment
    assert offending_elements(answer.final) == [tag]
    assert answer.pending == []


# level, keys, how many of the four instances: what is not a unique key at the level or above it
# neither fails nor narrows nor widens
IGNORED_KEYS = [
    ("STUDY", "STUDY", {"PatientID": ""}, 4),
    ("STUDY", "STUDY", {"PatientID": "", "SeriesInstanceUID": "", "SOPInstanceUID": ""}, 4),
    ("STUDY", "STUDY", {"PatientName": "Somebody^Else", "StudyDate": "19000101"}, 4),
    ("STUDY", "STUDY", {"SpecificCharacterSet": "ISO_IR 192", "Modality": ""}, 4),
    ("STUDY", "SERIES", {"SeriesInstanceUID": SERIES, "SOPInstanceUID": "", "PatientID": ""}, 2),
    ("STUDY", "SERIES", {"SeriesInstanceUID": [SERIES, f"{STUDY}.2"]}, 4),
    ("STUDY", "IMAGE", {"SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{SERIES}.1",
                        "PatientID": "", "InstanceNumber": "77"}, 1),
    ("PATIENT", "PATIENT", {"PatientID": "P1", "SeriesInstanceUID": "", "SOPInstanceUID": ""}, 4),
    ("PATIENT", "STUDY", {"PatientID": "P1", "SeriesInstanceUID": ""}, 4),
]  # fmt: skip


@pytest.mark.parametrize("service", ["move", "get"])
@pytest.mark.parametrize(("root", "level", "keys", "count"), IGNORED_KEYS)
def test_other_keys_do_not_matter_to_a_retrieve(
    held: Held, service: str, root: str, level: str, keys: dict[str, Any], count: int
) -> None:
    query = identifier(level, **{"StudyInstanceUID": STUDY, **keys})
    answer, sent = retrieve(held, service, root, query)
    assert (answer.status, answer.counts) == (0x0000, (count, 0, 0))
    assert len(sent) == count
    for uid, data in sent.items():
        assert data == encoded(ct(STUDY, uid.rpartition(".")[0], uid))


@pytest.mark.parametrize("service", ["move", "get"])
def test_a_retrieve_of_what_is_not_there_is_success_and_nothing(held: Held, service: str) -> None:
    answer, sent = retrieve(held, service, "STUDY", identifier("STUDY", StudyInstanceUID="1.2.3"))
    assert (answer.status, answer.counts, sent) == (0x0000, (0, 0, 0), {})


@pytest.mark.parametrize(
    ("title", "status"), [("STRANGER", 0xA801), ("peer", 0xA801), ("DOWN", 0xA702)]
)
def test_a_destination_that_cannot_be_sent_to(held: Held, title: str, status: int) -> None:
    with held.node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID=STUDY)
        answer = retrieved(association.send_c_move(query, title, MOVE["STUDY"]))
    assert answer.status == status
    assert title in answer.final.ErrorComment
    assert held.peer.data_sets() == {}


@pytest.mark.parametrize("service", ["find", "move", "get"])
def test_an_identifier_that_is_no_data_set(held: Held, service: str) -> None:
    model = {"find": FIND, "move": MOVE, "get": GET}[service]["STUDY"]
    with held.node.association((model, EXPLICIT), (ECHO, IMPLICIT)) as association:
        response = raw_query(association, service, model, BROKEN["random bytes"])
        assert response is not None
        assert response.Status in REFUSALS
        assert response.ErrorComment
        assert association.send_c_echo().Status == 0x0000


def raw_query(
    association: Association, service: str, context: str, data: bytes
) -> C_FIND | C_MOVE | C_GET | None:
    """The first response to a request on `context` with these bytes as its identifier."""
    request: Any = {"find": C_FIND, "move": C_MOVE, "get": C_GET}[service]()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = context
    request.Identifier = BytesIO(data)
    if service == "move":
        request.MoveDestination = "PEER"
    with at_rest(association):
        association.dimse.send_msg(request, accepted(association, context, EXPLICIT))
        response = next_message(association)
    return response


@pytest.mark.parametrize(
    ("service", "context"),
    [
        ("find", CT), ("find", ECHO), ("find", MOVE["STUDY"]), ("find", GET["STUDY"]),
        ("move", CT), ("move", ECHO), ("move", FIND["STUDY"]), ("move", GET["STUDY"]),
        ("get", CT), ("get", ECHO), ("get", FIND["STUDY"]), ("get", MOVE["STUDY"]),
    ],
)  # fmt: skip
def test_a_query_on_the_context_of_another_service(held: Held, service: str, context: str) -> None:
    """Each SOP class has its service (PS3.4 C.6, B.2); by another door nobody gets in."""
    mark, inbox = held.node.mark(), Inbox()
    contexts = [(context, EXPLICIT), (CT, EXPLICIT)]
    query = encoded(identifier("STUDY", StudyInstanceUID=STUDY))
    association = held.node.associate(
        *dict.fromkeys(contexts), **getting(inbox, [(CT, EXPLICIT)]), ae_title="INTRUDER"
    )
    assert association.is_established
    response = raw_query(association, service, context, query)
    assert response is None or response.Status in FAILURES
    association.abort()
    held.node.wait_for_log("association closed peer=INTRUDER", after=mark)
    assert (held.peer.data_sets(), inbox.data_sets()) == ({}, {})
    assert held.node.logged("request failed", after=mark) == []


@pytest.mark.parametrize("context", [ECHO, FIND["STUDY"], MOVE["STUDY"], GET["STUDY"]])
def test_a_store_on_the_context_of_another_service(held: Held, context: str) -> None:
    before, mark = held.everything(), held.node.mark()
    association = held.node.associate((context, EXPLICIT), ae_title="INTRUDER")
    request = store_request(
        context, "1.9.3", encoded(ct("1.9.1", "1.9.2", "1.9.3", SOPClassUID=context))
    )
    with at_rest(association):
        association.dimse.send_msg(request, accepted(association, context, EXPLICIT))
        response = next_message(association)
    assert response is None or response.Status in FAILURES
    association.abort()
    held.node.wait_for_log("association closed peer=INTRUDER", after=mark)
    assert held.everything() == before
    assert held.node.logged("request failed", after=mark) == []


# ---- presentation contexts

PRIVATE_CLASS = "1.2.826.0.1.3680043.9.9.1"
NO_SYNTAX = "1.2.826.0.1.3680043.9.9.2"
# (SOP class, transfer syntaxes) -> result (PS3.8 table 9-18), transfer syntax
CONTEXTS = [
    (CT, [NO_SYNTAX], 4, None),
    (CT, [NO_SYNTAX, EXPLICIT], 0, EXPLICIT),
    (CT, [str(JPEGBaseline8Bit)], 0, str(JPEGBaseline8Bit)),
    (PRIVATE_CLASS, [EXPLICIT], 0, EXPLICIT),
    (PRIVATE_CLASS, [NO_SYNTAX], 4, None),
    (ECHO, [str(JPEGBaseline8Bit)], 4, None),
    (FIND["STUDY"], [NO_SYNTAX], 4, None),
    (FIND["STUDY"], [IMPLICIT], 0, IMPLICIT),
    ("1.2.840.10008.5.1.4.31", [EXPLICIT], 3, None),  # Modality Worklist
    ("1.2.840.10008.5.1.1.9", [EXPLICIT], 3, None),  # Basic Grayscale Print Management
]


def test_the_result_of_each_presentation_context(held: Held) -> None:
    association = held.node.associate(*((uid, syntaxes) for uid, syntaxes, _, _ in CONTEXTS))
    try:
        every = [*association.accepted_contexts, *association.rejected_contexts]
        answers = {context.context_id: context for context in every}
        assert sorted(answers) == [2 * n + 1 for n in range(len(CONTEXTS))]
        for number, (uid, _, result, syntax) in enumerate(CONTEXTS):
            answer = answers[2 * number + 1]
            assert (answer.abstract_syntax, answer.result) == (uid, result)
            if syntax:
                assert answer.transfer_syntax == [syntax]
    finally:
        association.release()


def test_an_instance_of_a_private_class_is_stored_and_got_back(held: Held) -> None:
    private = ct("1.6.1", "1.6.2", "1.6.3", SOPClassUID=PRIVATE_CLASS, PatientID="PRIVATE")
    inbox = Inbox()
    contexts = [(GET["PATIENT"], EXPLICIT), (PRIVATE_CLASS, EXPLICIT)]
    with held.node.association((PRIVATE_CLASS, EXPLICIT)) as association:
        assert store(association, private).Status == 0x0000
    with held.node.association(*contexts, **getting(inbox, contexts, "PATIENT")) as association:
        query = identifier("PATIENT", PatientID="PRIVATE")
        answer = retrieved(association.send_c_get(query, GET["PATIENT"]))
    assert (answer.status, answer.counts) == (0x0000, (1, 0, 0))
    assert inbox.data_sets() == {"1.6.3": encoded(private)}


# ---- sockets

GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "random": random.Random(2).randbytes(2000),
    "zeros": bytes(1000),
    "one byte": b"\x01",
    "a PDU of 4 GiB": b"\x01\x00\xff\xff\xff\xff" + bytes(1000),
    "P-DATA of 4 GiB": b"\x04\x00\xff\xff\xff\xff" + bytes(1000),
    "an unknown PDU": b"\x42\x00\x00\x00\x00\x04abcd",
    "A-ASSOCIATE-RQ of rubbish": b"\x01\x00\x00\x00\x00\x64" + random.Random(3).randbytes(100),
    "A-ASSOCIATE-RQ cut short": b"\x01\x00\x00\x00\x00\xc8\x00\x01\x00\x00MINIPACS        ",
    "P-DATA first": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x03ab",
    "A-RELEASE first": b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    "A-ABORT first": b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_on_the_socket(held: Held, what: str) -> None:
    before = held.everything()
    with socket.create_connection(("127.0.0.1", held.node.port), START_SECONDS) as connection:
        connection.sendall(GARBAGE[what])
        with suppress(OSError):  # it may have ended by now
            connection.shutdown(socket.SHUT_WR)
        until_closed(connection)
    assert held.node.echoes()
    assert held.everything() == before
    assert held.node.logged("Traceback") == []


def until_closed(connection: socket.socket) -> None:
    """Read until the node has closed the connection; waiting, or much to read, is an error."""
    count = 0
    with suppress(ConnectionResetError):
        while received := connection.recv(4096):
            count += len(received)
            assert count <= 100, "more than one answer"


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_on_an_association(held: Held, what: str) -> None:
    before, mark = held.everything(), held.node.mark()
    association = held.node.associate((CT, EXPLICIT), ae_title="GARBLER")
    assert association.is_established
    connection = association.dul.socket.socket
    connection.sendall(GARBAGE[what])
    with suppress(OSError):  # it may have ended by now
        connection.shutdown(socket.SHUT_WR)
    held.node.wait_for_log("association closed peer=GARBLER", after=mark)
    association.abort()
    assert held.node.echoes()
    assert held.everything() == before
    assert held.node.logged("Traceback", after=mark) == []


def p_data(*values: bytes, context: int = 1) -> bytes:
    """A P-DATA-TF PDU; each value begins with its message control header (PS3.8 9.3.5, E.2)."""
    items = b"".join(struct.pack(">IB", len(v) + 1, context) + v for v in values)
    return struct.pack(">BBI", 4, 0, len(items)) + items


def command(**elements: Any) -> bytes:
    """The last fragment of a command."""
    data_set = Dataset()
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    return b"\x03" + encoded(data_set, implicit=True)


_STORE: dict[str, Any] = {
    "AffectedSOPClassUID": CT, "CommandField": 0x0001, "MessageID": 1, "Priority": 0,
    "CommandDataSetType": 0x0001, "AffectedSOPInstanceUID": "1.9.3",
}  # fmt: skip


def without(keyword: str) -> bytes:
    return command(**{k: v for k, v in _STORE.items() if k != keyword})


# PDUs that are whole, and hold no message that this association could carry.
BAD_MESSAGES = {
    "a command of rubbish": p_data(b"\x03" + random.Random(4).randbytes(100)),
    "an empty command": p_data(b"\x03"),
    "no Command Field": p_data(without("CommandField")),
    "an unknown Command Field": p_data(command(**(_STORE | {"CommandField": 0x7777}))),
    "no Command Data Set Type": p_data(without("CommandDataSetType"), b"\x02" + WHOLE),
    "no SOP class": p_data(without("AffectedSOPClassUID"), b"\x02" + WHOLE),
    "no Message ID": p_data(without("MessageID"), b"\x02" + WHOLE),
    "a context that was not proposed": p_data(command(**_STORE), b"\x02" + WHOLE, context=99),
    "an even context": p_data(command(**_STORE), b"\x02" + WHOLE, context=2),
    "an item longer than its PDU": b"\x04\0\0\0\0\x0a" + b"\0\0\xff\xff\x01\x03abcd",
    "an item without a header": b"\x04\0\0\0\0\x05" + b"\0\0\0\x01\x01",
    "an item of no length": b"\x04\0\0\0\0\x04" + bytes(4),
    "a response to nothing": p_data(
        command(CommandField=0x8001, MessageIDBeingRespondedTo=7, CommandDataSetType=0x0101,
                Status=0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_what_is_no_message_ends_the_association(held: Held, what: str) -> None:
    """With a response or an A-ABORT, but not by leaving the peer to wait."""
    before, mark = held.everything(), held.node.mark()
    association = held.node.associate((CT, EXPLICIT), ae_title="MUMBLER")
    assert association.is_established
    connection = association.dul.socket.socket
    connection.sendall(BAD_MESSAGES[what])
    held.node.wait_for_log("association closed peer=MUMBLER", after=mark)
    association.abort()
    assert held.node.logged("Traceback", after=mark) == []
    # Whoever looks into it finds the reason in the log.
    assert held.node.logged("peer=MUMBLER", "WARNING", after=mark) or held.node.logged(
        "peer=MUMBLER", "ERROR", after=mark
    )
    assert held.node.echoes()
    assert held.everything() == before


@pytest.mark.parametrize(
    "pdu",
    [
        p_data(command(**(_STORE | {"CommandDataSetType": 0x0101}))),
        p_data(command(**_STORE), b"\x02"),
    ],
    ids=["none is announced", "it is empty"],
)
def test_a_store_without_a_data_set(held: Held, pdu: bytes) -> None:
    before = held.everything()
    with held.node.association((CT, EXPLICIT), (ECHO, IMPLICIT)) as association:
        with at_rest(association):
            association.dul.socket.socket.sendall(pdu)
            response = next_message(association)
        assert response is not None
        assert response.Status in FAILURES
        assert response.ErrorComment
        assert association.send_c_echo().Status == 0x0000
    assert held.everything() == before


def test_an_operation_of_another_service_than_the_contexts_is_refused(held: Held) -> None:
    before = held.everything()
    n_set = command(RequestedSOPClassUID=CT, CommandField=0x0120, MessageID=1,
                    CommandDataSetType=0x0001, RequestedSOPInstanceUID="1.9.3")  # fmt: skip
    with held.node.association((CT, EXPLICIT), (ECHO, IMPLICIT)) as association:
        with at_rest(association):
            association.dul.socket.socket.sendall(p_data(n_set, b"\x02" + WHOLE))
            response = next_message(association)
        assert response is not None
        assert response.Status == 0x0211  # PS3.7 C.4.4: unrecognized operation
        assert association.send_c_echo().Status == 0x0000
    assert held.everything() == before


def test_a_cancel_of_nothing_is_ignored(held: Held) -> None:
    with held.node.association((FIND["STUDY"], EXPLICIT), (ECHO, IMPLICIT)) as association:
        association.send_c_cancel(7, query_model=FIND["STUDY"])
        answers, final = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID=STUDY)
        assert (len(answers), final.Status) == (1, 0x0000)
        assert association.send_c_echo().Status == 0x0000


def test_a_connection_that_sends_nothing_is_closed_in_time(start_node: StartNode) -> None:
    node = start_node(limits={"acse_timeout": 1, "associations": 1})
    silent = [socket.create_connection(("127.0.0.1", node.port), 30) for _ in range(20)]
    # They take no slot, and hold nobody up.
    assert node.echoes()
    for connection in silent:
        until_closed(connection)
        connection.close()
    assert node.echoes()


def test_an_association_that_asks_for_nothing_is_ended_in_time(start_node: StartNode) -> None:
    node = start_node(limits={"network_timeout": 1, "dimse_timeout": 1})
    association = node.associate((ECHO, IMPLICIT), ae_title="IDLER")
    assert association.is_established
    node.wait_for_log("association closed peer=IDLER")
    assert node.echoes()


def test_half_a_request_is_ended_in_time(start_node: StartNode) -> None:
    """A PDU that begins and does not go on."""
    node = start_node(limits={"network_timeout": 1, "dimse_timeout": 1})
    association = node.associate((CT, EXPLICIT), ae_title="STALLER")
    assert association.is_established
    association.dul.socket.socket.sendall(b"\x04\x00\x00\x00\x10\x00" + bytes(100))
    node.wait_for_log("association closed peer=STALLER")
    assert node.echoes()
    assert node.files() == []


@pytest.mark.parametrize("how", ["abort", "close", "reset"])
def test_an_end_in_the_middle_of_a_store(held: Held, how: str) -> None:
    before, mark = held.everything(), held.node.mark()
    data = encoded(ct("1.9.1", "1.9.2", "1.9.3", PixelData=bytes(100_000)))
    association = held.node.associate((CT, EXPLICIT), ae_title="QUITTER")
    assert association.is_established
    first, _ = store_fragments(association, CT, "1.9.3", data)
    for fragment in first:
        association.dul.send_pdu(fragment)
    if how == "abort":
        association.abort()
    else:
        connection = association.dul.socket.socket
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    closed = held.node.wait_for_log("association closed peer=QUITTER", after=mark)
    assert "by=abort requests=0 bytes_in=0" in closed
    assert held.node.incoming() == []
    assert held.everything() == before
    assert held.node.echoes()
