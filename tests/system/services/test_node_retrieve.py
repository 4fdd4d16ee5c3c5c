"""C-MOVE and C-GET: what is sent, in which form, what is said of it, and what goes wrong."""

import os
import re
import socket
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
)
from pynetdicom import build_role
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    GET,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    Retrieved,
    RunningNode,
    Sample,
    StartNode,
    client,
    ct,
    data_set_bytes,
    free_port,
    getting,
    identifier,
    keys,
    offending_elements,
    running_node,
    samples,
    send,
)
from support.network.certificates import Authority
from support.network.destinations import (
    ANY,
    Coming,
    Destination,
    Gate,
    abort,
    answer_an_echo,
    answer_another,
    answer_without_status,
    ask_back,
    ask_for_release,
    at,
    drop,
    hold,
    mute,
    reset,
    storescp,
    stranger,
    talk_nonsense,
)

from storage.dicom import part10

# pydicom warns of the values that are odd here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

MR = str(MRImageStorage)
PRIVATE = "1.2.826.0.1.3680043.9.9999.1"
BIG_ENDIAN, DEFLATED = str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian)
SYNTAXES = {
    "explicit": EXPLICIT, "implicit": IMPLICIT, "big endian": BIG_ENDIAN, "deflated": DEFLATED,
}  # fmt: skip


# ---- what the node holds


def uid(name: str) -> str:
    """The UID of the instance of that name."""
    return f"1.2.826.77.{zlib.crc32(name.encode())}"


def study(name: str) -> str:
    """The UID of the study of that name."""
    return uid(f"study {name}")


def series(name: str) -> str:
    """The UID of the series of that name."""
    return uid(f"series {name}")


def swapped(data: bytes) -> bytes:
    """The bytes of 16-bit words in the other order."""
    words = bytearray(data)
    words[::2], words[1::2] = data[1::2], data[::2]
    return bytes(words)


@dataclass(frozen=True)
class Item:
    """An instance, by the names of the entities that it belongs to."""

    study: str
    series: str
    instance: str
    patient: str
    sop_class: str = CT
    syntax: str = EXPLICIT
    pixel_bytes: int = 32

    @property
    def uids(self) -> tuple[str, str, str]:
        return study(self.study), series(self.series), uid(self.instance)

    @property
    def dataset(self) -> Dataset:
        data_set = ct(
            *self.uids, SOPClassUID=self.sop_class, PatientID=self.patient,
            SpecificCharacterSet="ISO_IR 100", PatientName="Größe^Jörg", Rows=4, Columns=4,
            StudyDescription=self.study, SeriesDescription=self.series,
            PixelSpacing=["0.5", "0.25"], PixelData=bytes(range(32)) * (self.pixel_bytes // 32),
        )  # fmt: skip
        request = Dataset()
        request.RequestedProcedureID, request.ScheduledProcedureStepID = "RP1", "S1"
        data_set.RequestAttributesSequence = [request]
        block = data_set.private_block(0x0011, "MINIPACS TESTS", create=True)
        block.add_new(0x01, "LO", "private")
        return data_set

    @property
    def data_set(self) -> bytes:
        big, deflated = self.syntax == BIG_ENDIAN, self.syntax == DEFLATED
        data_set = self.dataset
        if big:  # pydicom leaves these words as they are
            data_set.PixelData = swapped(data_set.PixelData)
        data = encode(data_set, self.syntax == IMPLICIT, not big, deflated)
        assert data is not None
        return data + b"\0" * (len(data) % 2)


def items(
    patient: str, in_study: str, in_series: str, instances: str, sop_class: str = CT, **values: Any
) -> list[Item]:
    names = instances.split()
    return [Item(in_study, in_series, name, patient, sop_class, **values) for name in names]


def numbered(name: str, count: int) -> list[Item]:
    names = " ".join(f"{name}{number}" for number in range(1, count + 1))
    return items(name.upper(), name, name, names)


CLASSES = [f"{PRIVATE}.{number}" for number in range(1, 71)]
HELD = [
    *items("P1", "chest", "axial", "a1 a2"),
    *items("P1", "chest", "scout", "s1", syntax=IMPLICIT),
    *items("P1", "chest", "extra", "m1", MR),
    *items("P1", "knee", "knee", "k1 k2", MR),
    *items("P2", "head", "head", "h1"),
    # A series and an instance that bear UIDs of another study's.
    *items("P3", "twin", "axial", "a1 t2"),
    # Patients whose IDs are like each other.
    *items("P_4", "under", "under", "u1"),
    *items("PA4", "letter", "letter", "l1"),
    *items("p1", "small", "small", "x1"),
    *items("Pä1", "accent", "accent", "ac1"),
    *items("", "nobody", "nobody", "n1"),
    *items("P5", "mixed", "mixed.ct", "mc1 mc2"),
    *items("P5", "mixed", "mixed.mr", "mm1 mm2", MR),
    *items("P5", "mixed", "mixed.private", "mp1", PRIVATE),
    *(
        item
        for name, syntax in SYNTAXES.items()
        for item in items("P6", "forms", "forms", f"forms.{name.replace(' ', '')}", syntax=syntax)
    ),
    *items("P7", "plain", "plain", "plain.explicit"),
    *items("P7", "plain", "plain", "plain.implicit", syntax=IMPLICIT),
    *numbered("three", 3),
    *numbered("six", 6),
    *numbered("other", 6),
    *numbered("few", 50),
    *numbered("many", 120),
    *items("P8", "large", "large", "large", pixel_bytes=24 * 1024 * 1024),
    *(
        item
        for number, sop_class in enumerate(CLASSES)
        for syntax in (EXPLICIT, IMPLICIT)
        for item in items(
            "P9", "classes", "classes", f"c{number}.{len(syntax)}", sop_class, syntax=syntax
        )
    ),
]
COMPRESSED = [
    sample
    for sample in samples()
    if sample.name
    in ("JPEG2000.dcm", "SC_rgb_rle.dcm", "JPEG-LL.dcm", "MR_small_jpeg_ls_lossless.dcm")
]


def of(*names: str) -> dict[str, bytes]:
    """Data sets by SOP Instance UID, of `study` or `study/instance`."""
    found: dict[str, bytes] = {}
    for name in names:
        whole, _, instance = name.partition("/")
        wanted = [i for i in HELD if i.study == whole and instance in ("", i.instance)]
        assert wanted, name
        found |= {item.uids[2]: item.data_set for item in wanted}
    return found


def item(in_study: str, instance: str) -> Item:
    return next(i for i in HELD if (i.study, i.instance) == (in_study, instance))


def decoded(data: bytes, syntax: str) -> Dataset:
    """A data set as pydicom reads it."""
    buffer = DicomBytesIO(part10.header(CT, "1.2.3", syntax) + data)
    data_set = dcmread(buffer)
    data_set.walk(lambda held, element: element)  # reads all of it
    if syntax == BIG_ENDIAN:
        data_set.PixelData = swapped(data_set.PixelData)
    return data_set


def same(data: bytes, syntax: str, original: Item) -> bool:
    """Whether `data` says what the instance does, with private values as bytes or text."""
    found, expected = decoded(data, syntax), original.dataset
    private = [held.pop((0x0011, 0x1001)).value for held in (found, expected)]
    texts = [v.decode().strip() if isinstance(v, bytes) else str(v) for v in private]
    return found == expected and texts[0] == texts[1]


@dataclass
class Rig:
    """A node that holds HELD, and its destinations."""

    node: RunningNode
    peer: Destination  # takes all that is held, but for CLASSES
    other: Destination  # the same
    slow: Destination  # takes the time with TCP's acknowledgements that most do
    narrow: dict[str, Destination]  # by AE title
    storescp: dict[str, Path]
    movescu_port: int


EVERYTHING = [
    (sop_class, ANY)
    for sop_class in sorted({CT, MR, PRIVATE} | {s.sop_class_uid for s in COMPRESSED})
]
STANDARD = [(CT, ANY), (MR, ANY)]
# AE title -> what `Destination.serving` takes.
NARROW: dict[str, dict[str, Any]] = {
    "NO MR": {"contexts": [(CT, ANY), (PRIVATE, ANY)]},
    "EXPLICIT ONLY": {"contexts": [(CT, [EXPLICIT]), (MR, [EXPLICIT])]},
    "IMPLICIT ONLY": {"contexts": [(CT, [IMPLICIT]), (MR, [IMPLICIT])]},
    "BIG ENDIAN ONLY": {"contexts": [(CT, [BIG_ENDIAN])]},
    "DEFLATED ONLY": {"contexts": [(CT, [DEFLATED])]},
    "JPEG ONLY": {"contexts": [(CT, [str(JPEGBaseline8Bit)])]},
    "IMPLICIT FIRST": {"contexts": [(CT, [IMPLICIT, EXPLICIT])]},
    "CLASSES": {"contexts": [(sop_class, [EXPLICIT, IMPLICIT]) for sop_class in CLASSES]},
    "NO CONTEXT": {"contexts": [(ECHO, [IMPLICIT])]},
    "REJECTS": {"contexts": STANDARD, "calling": ["SOMEBODY ELSE"]},
    "SMALL PDUS": {"contexts": STANDARD, "max_pdu": 4096},
    "ANY PDUS": {"contexts": STANDARD, "max_pdu": 0},
}
STORESCP = {
    "SCP ANY": ["+xa"],
    "SCP IMPLICIT": ["+xi"],
    "SCP LITTLE": ["+xe"],
    "SCP BIG": ["+xb"],
    "SCP REFUSES": ["--refuse"],
    "SCP ABORTS": ["--abort-after"],
    "SCP BREAKS": ["--abort-during"],
}
# The same destination as PEER under other settings.
LIKE_PEER: dict[str, dict[str, Any]] = {
    "IMPATIENT": {"dimse_timeout": 1, "acse_timeout": 5},
    "PATIENT": {"acse_timeout": 6},
    "BRISK": {"dimse_timeout": 6},
    "THREE": {"sends": 3},
    "OFFER IMPLICIT": {"transfer_syntaxes": ["ImplicitVRLittleEndian"]},
    "OFFER EXPLICIT": {"transfer_syntaxes": [EXPLICIT]},
    "OFFER JPEG": {"transfer_syntaxes": ["JPEGBaseline8Bit"]},
    "PDU 16384": {"pdu_bytes": 16384},
}
RIGHTS: dict[str, dict[str, Any]] = {
    "ONLY FINDS": {"allow": ["find", "store", "echo"]},
    "ONLY MOVES": {"allow": ["move"]},
    "ONLY GETS": {"allow": ["get"]},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("retrieve")
    with ExitStack() as stack:
        start = stack.enter_context
        peer = start(Destination().serving(EVERYTHING))
        other = start(Destination().serving(EVERYTHING))
        slow = start(Destination(quick=False).serving(STANDARD))
        narrow = {title: start(Destination().serving(**how)) for title, how in NARROW.items()}
        movescu_port = free_port()
        received = {title: folder / title for title in STORESCP}
        ports = {title: d.port for title, d in narrow.items()} | {
            "PEER": peer.port,
            "OTHER": other.port,
            "SLOW": slow.port,
            "MOVESCU": movescu_port,
            "DOWN": free_port(),
            "STRANGER": start(stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            "HANGS UP": start(stranger(b"")),
        }
        for title, options in STORESCP.items():
            ports[title] = start(storescp(received[title], *options))
        host = {"host": "127.0.0.1"}
        peers = {title: host | {"port": port} for title, port in ports.items()}
        peers |= {title: peers["PEER"] | how for title, how in LIKE_PEER.items()}
        peers["MUTE"] = host | {"port": start(mute()), "acse_timeout": 1}
        peers |= {"NO ADDRESS": {}} | RIGHTS
        tables = {"peers": peers, "storage": {"sync": False}}
        (folder / "node").mkdir()
        by_hand = (i for i in HELD if i.study != "three")
        put(folder / "node", ((i.uids, i.sop_class, i.syntax, i.data_set) for i in by_hand))
        put(folder / "node", ((s.uids, s.sop_class_uid, s.transfer_syntax_uid, s.data_set)
                              for s in COMPRESSED))  # fmt: skip
        node = start(running_node(folder / "node", tables))
        fill(node, (i for i in HELD if i.study == "three"))  # with the digests of receipt
        yield Rig(node, peer, other, slow, narrow, received, movescu_port)


def put(folder: Path, held: Iterable[tuple[tuple[str, str, str], str, str, bytes]]) -> None:
    """Lay files into the tree of a node that is not there yet: it makes its index from them.

    Quicker than to store them. UIDs, SOP class, transfer syntax and data set of each.
    """
    for (in_study, in_series, instance), sop_class, syntax, data in held:
        path = folder.joinpath("data", "tree", in_study, in_series, f"{instance}.dcm")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part10.header(sop_class, instance, syntax) + data)


def fill(node: RunningNode, held: Iterable[Item]) -> None:
    """Store instances, as few contexts at a time as an association can have."""
    by_context: dict[tuple[str, str], list[Item]] = {}
    for held_item in held:
        by_context.setdefault((held_item.sop_class, held_item.syntax), []).append(held_item)
    contexts = list(by_context)
    for start in range(0, len(contexts), 128):
        with node.association(*contexts[start : start + 128]) as association:
            for context in contexts[start : start + 128]:
                for i in by_context[context]:
                    response = send(association, i.sop_class, i.uids[2], i.data_set, i.syntax)
                    assert response.Status == 0x0000, response.ErrorComment


# ---- asking


def offer(sop_class: str, options: bytes) -> list[SOPClassExtendedNegotiation]:
    negotiation = SOPClassExtendedNegotiation()
    negotiation.sop_class_uid = UID(sop_class)
    negotiation.service_class_application_information = options
    return [negotiation]


COUNTS = (
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)


@dataclass
class Answer(Retrieved):
    """All responses to a retrieve, and when each came."""

    times: list[float] = field(default_factory=list)

    @property
    def failed(self) -> set[str]:
        """The Failed SOP Instance UID List."""
        listed = self.identifier.get("FailedSOPInstanceUIDList") if self.identifier else None
        uids = [] if not listed else [listed] if isinstance(listed, str) else list(listed)
        assert len(set(uids)) == len(uids)
        return set(map(str, uids))

    @property
    def comment(self) -> str:
        return str(self.final.get("ErrorComment", ""))

    @property
    def steps(self) -> list[int]:
        """How many sub-operations had ended at the pending responses, each number once."""
        ended = [
            sum(response[keyword].value for keyword in COUNTS[1:]) for response in self.pending
        ]
        return [number for number in dict.fromkeys(ended) if number]

    @property
    def longest_wait(self) -> float:
        """Between two responses, in seconds."""
        return max(later - earlier for earlier, later in pairwise(self.times))


def answer(responses: Iterable[tuple[Dataset, Dataset | None]]) -> Answer:
    """Wait for the final response; the counts of all of them add up, and only grow."""
    pending: list[Dataset] = []
    times = [time.monotonic()]
    for status, data_set in responses:
        times.append(time.monotonic())
        assert "Status" in status, "no response, or the association was aborted"
        if status.Status == 0xFF00:
            pending.append(status)
            continue
        found = Answer(status, data_set, pending, times)
        check_counts(found)
        return found
    raise AssertionError("no final response")


def check_counts(found: Answer) -> None:
    if COUNTS[1] not in found.final:  # it was refused
        assert not found.pending
        return
    total = sum(found.final.get(keyword, 0) for keyword in COUNTS)
    before = (0, 0, 0)
    for response in found.pending:
        assert sum(response[keyword].value for keyword in COUNTS) == total
        assert response[COUNTS[0]].value > 0
        now = tuple(response[keyword].value for keyword in COUNTS[1:])
        assert all(a <= b for a, b in zip(before, now, strict=True))
        before = now
    # Only a Cancel says what is left (PS3.4 C.4.2.1.6).
    assert (COUNTS[0] in found.final) == (found.status == 0xFE00)
    assert len(found.failed) == found.final[COUNTS[2]].value


def move(
    node: RunningNode,
    title: str,
    level: str | None,
    model: str = "STUDY",
    *,
    syntax: str = EXPLICIT,
    options: bytes = b"",
    caller: str = "TESTER",
    message_id: int = 1,
    priority: int = 2,
    **values: Any,
) -> Answer:
    """C-MOVE to the destination `title`; `options` are offered by extended negotiation."""
    negotiation = offer(MOVE[model], options) if options else []
    with node.association(
        (MOVE[model], syntax), ae_title=caller, ext_neg=negotiation
    ) as association:
        query = identifier(level, **values)
        return answer(
            association.send_c_move(query, title, MOVE[model], message_id, priority=priority)
        )


GET_CONTEXTS = [
    (sop_class, syntax) for sop_class in (CT, MR, PRIVATE) for syntax in (EXPLICIT, IMPLICIT)
]


def get(
    node: RunningNode,
    level: str | None,
    model: str = "STUDY",
    *,
    contexts: list[tuple[str, str]] = GET_CONTEXTS,
    roles: list[str] | None = None,
    inbox: Inbox | None = None,
    options: bytes = b"",
    syntax: str = EXPLICIT,
    **values: Any,
) -> tuple[Answer, Inbox]:
    """C-GET; `roles` are the classes that the requestor takes as SCP, all of `contexts`."""
    inbox = inbox or Inbox()
    how = getting(inbox, contexts, model)
    if roles is not None:
        how["ext_neg"] = [build_role(sop_class, scp_role=True) for sop_class in roles]
    if options:
        how["ext_neg"] += offer(GET[model], options)
    with node.association((GET[model], syntax), *contexts, **how) as association:
        return answer(association.send_c_get(identifier(level, **values), GET[model])), inbox


def retrieve(
    rig: Rig, service: str, level: str | None, model: str, **values: Any
) -> tuple[Answer, dict[str, bytes]]:
    """C-MOVE to PEER or C-GET: the answer, and what arrived."""
    if service == "get":
        found, inbox = get(rig.node, level, model, **values)
        return found, inbox.data_sets()
    with rig.peer.does():
        found = move(rig.node, "PEER", level, model, **values)
        rig.peer.wait_until_left()
        return found, rig.peer.inbox.data_sets()


def expect_all(found: Answer, expected: Iterable[str]) -> None:
    count = len(list(expected))
    assert (found.status, found.counts, found.failed) == (0x0000, (count, 0, 0), set())


services = pytest.mark.parametrize("service", ["move", "get"])

# ---- what is sent

STUDY, SERIES, IMAGE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
CHEST, KNEE, HEAD, TWIN = study("chest"), study("knee"), study("head"), study("twin")
AXIAL, SCOUT = series("axial"), series("scout")

# model, level, keys, what is sent
SELECTIONS: dict[str, tuple[str, str, dict[str, Any], tuple[str, ...]]] = {
    "a patient": ("PATIENT", "PATIENT", {"PatientID": "P1"}, ("chest", "knee")),
    "a patient, padded": ("PATIENT", "PATIENT", {"PatientID": " P1 "}, ("chest", "knee")),
    "a patient, in small letters": ("PATIENT", "PATIENT", {"PatientID": "p1"}, ("small",)),
    "a patient with an underscore": ("PATIENT", "PATIENT", {"PatientID": "P_4"}, ("under",)),
    "a patient with an accent": (
        "PATIENT", "PATIENT", {"SpecificCharacterSet": "ISO_IR 192", "PatientID": "Pä1"},
        ("accent",),
    ),
    "an unknown patient": ("PATIENT", "PATIENT", {"PatientID": "P"}, ()),
    "a patient's study": ("PATIENT", "STUDY", {"PatientID": "P1", STUDY: CHEST}, ("chest",)),
    "a patient's studies": (
        "PATIENT", "STUDY", {"PatientID": "P1", STUDY: [CHEST, KNEE]}, ("chest", "knee"),
    ),
    "another patient's study": ("PATIENT", "STUDY", {"PatientID": "P2", STUDY: CHEST}, ()),
    "a patient's and another's": (
        "PATIENT", "STUDY", {"PatientID": "P2", STUDY: [CHEST, HEAD]}, ("head",),
    ),
    "a patient's series": (
        "PATIENT", "SERIES", {"PatientID": "P1", STUDY: CHEST, SERIES: AXIAL},
        ("chest/a1", "chest/a2"),
    ),
    "another patient's series": (
        "PATIENT", "SERIES", {"PatientID": "P3", STUDY: CHEST, SERIES: AXIAL}, (),
    ),
    "a patient's image": (
        "PATIENT", "IMAGE",
        {"PatientID": "P1", STUDY: CHEST, SERIES: AXIAL, IMAGE: uid("a1")}, ("chest/a1",),
    ),
    "another patient's image": (
        "PATIENT", "IMAGE", {"PatientID": "P3", STUDY: CHEST, SERIES: AXIAL, IMAGE: uid("a1")}, (),
    ),
    "patient of patient/study only": (
        "PATIENT_STUDY_ONLY", "PATIENT", {"PatientID": "P1"}, ("chest", "knee"),
    ),
    "study of patient/study only": (
        "PATIENT_STUDY_ONLY", "STUDY", {"PatientID": "P1", STUDY: KNEE}, ("knee",),
    ),
    "studies of patient/study only": (
        "PATIENT_STUDY_ONLY", "STUDY", {"PatientID": "P1", STUDY: [KNEE, CHEST, HEAD]},
        ("knee", "chest"),
    ),
    "a study": ("STUDY", "STUDY", {STUDY: CHEST}, ("chest",)),
    "a study of nobody": ("STUDY", "STUDY", {STUDY: study("nobody")}, ("nobody",)),
    "an unknown study": ("STUDY", "STUDY", {STUDY: "1.2.3"}, ()),
    "the beginning of a UID": ("STUDY", "STUDY", {STUDY: CHEST[:-1]}, ()),
    "studies, one unknown": ("STUDY", "STUDY", {STUDY: [CHEST, "1.2.3", HEAD]}, ("chest", "head")),
    "a study twice": ("STUDY", "STUDY", {STUDY: [HEAD, HEAD]}, ("head",)),
    "a study and nothing": ("STUDY", "STUDY", {STUDY: [HEAD, ""]}, ("head",)),
    "a series": ("STUDY", "SERIES", {STUDY: CHEST, SERIES: AXIAL}, ("chest/a1", "chest/a2")),
    "a series of two studies": ("STUDY", "SERIES", {STUDY: TWIN, SERIES: AXIAL}, ("twin",)),
    "a series of another study": ("STUDY", "SERIES", {STUDY: KNEE, SERIES: AXIAL}, ()),
    "series": (
        "STUDY", "SERIES", {STUDY: CHEST, SERIES: [SCOUT, series("extra"), series("knee")]},
        ("chest/s1", "chest/m1"),
    ),
    "an image": (
        "STUDY", "IMAGE", {STUDY: CHEST, SERIES: SCOUT, IMAGE: uid("s1")}, ("chest/s1",),
    ),
    "an image of two studies": (
        "STUDY", "IMAGE", {STUDY: TWIN, SERIES: AXIAL, IMAGE: uid("a1")}, ("twin/a1",),
    ),
    "an image of another series": (
        "STUDY", "IMAGE", {STUDY: CHEST, SERIES: SCOUT, IMAGE: uid("a1")}, (),
    ),
    "images": (
        "STUDY", "IMAGE", {STUDY: CHEST, SERIES: AXIAL, IMAGE: [uid("a2"), uid("s1"), uid("a1")]},
        ("chest/a1", "chest/a2"),
    ),
    # Keys of lower levels, and an empty Patient ID in Study Root.
    "empty lower keys": ("STUDY", "STUDY", {STUDY: CHEST, SERIES: "", IMAGE: ""}, ("chest",)),
    "an empty Patient ID": ("STUDY", "STUDY", {STUDY: CHEST, "PatientID": ""}, ("chest",)),
    "all of that of a series": (
        "STUDY", "SERIES", {"PatientID": "", STUDY: CHEST, SERIES: SCOUT, IMAGE: ""}, ("chest/s1",),
    ),
    "empty lower keys of a patient": (
        "PATIENT", "PATIENT", {"PatientID": "P2", STUDY: "", SERIES: "", IMAGE: ""}, ("head",),
    ),
    # Other keys are ignored, and never widen.
    "a lower key": ("STUDY", "STUDY", {STUDY: CHEST, SERIES: AXIAL}, ("chest",)),
    "a lower key of elsewhere": (
        "PATIENT", "PATIENT", {"PatientID": "P2", STUDY: CHEST}, ("head",),
    ),
    "another's Patient ID": ("STUDY", "STUDY", {STUDY: CHEST, "PatientID": "P2"}, ("chest",)),
    "a Patient ID with a wildcard": ("STUDY", "STUDY", {STUDY: HEAD, "PatientID": "*"}, ("head",)),
    "keys that fit nothing": (
        "STUDY", "STUDY",
        {STUDY: HEAD, "PatientName": "Nobody", "StudyDate": "19000101-19000102", "Modality": "XX",
         "AccessionNumber": "*", "InstanceNumber": "7", "ModalitiesInStudy": "US"}, ("head",),
    ),
}  # fmt: skip


@services
@pytest.mark.parametrize("case", SELECTIONS)
def test_what_the_unique_keys_name_is_sent(rig: Rig, service: str, case: str) -> None:
    model, level, values, names = SELECTIONS[case]
    found, arrived = retrieve(rig, service, level, model, **values)
    expected = of(*names)
    assert arrived == expected
    expect_all(found, expected)
    # Every instance of few is reported; the last by the final response.
    assert found.steps == list(range(1, len(expected)))


# model, level, keys, the key at fault
LEVEL = "QueryRetrieveLevel"
REFUSALS: dict[str, tuple[str, str | None, dict[str, Any], str]] = {
    "no level": ("STUDY", None, {STUDY: CHEST}, LEVEL),
    "an empty level": ("STUDY", "", {STUDY: CHEST}, LEVEL),
    "a level in small letters": ("STUDY", "study", {STUDY: CHEST}, LEVEL),
    "a level of nowhere": ("STUDY", "FRAME", {STUDY: CHEST}, LEVEL),
    "PATIENT in Study Root": ("STUDY", "PATIENT", {"PatientID": "P1"}, LEVEL),
    "SERIES in patient/study only": (
        "PATIENT_STUDY_ONLY", "SERIES", {"PatientID": "P1", STUDY: CHEST, SERIES: AXIAL}, LEVEL,
    ),
    "no study": ("STUDY", "STUDY", {}, STUDY),
    "an empty study": ("STUDY", "STUDY", {STUDY: ""}, STUDY),
    "two empty studies": ("STUDY", "STUDY", {STUDY: ["", ""]}, STUDY),
    "every study": ("STUDY", "STUDY", {STUDY: "*"}, STUDY),
    "studies that begin so": ("STUDY", "STUDY", {STUDY: f"{CHEST[:-2]}*"}, STUDY),
    "a study with one unknown digit": ("STUDY", "STUDY", {STUDY: f"{CHEST[:-1]}?"}, STUDY),
    "a study and every other": ("STUDY", "STUDY", {STUDY: [CHEST, "*"]}, STUDY),
    "a series of no study": ("STUDY", "SERIES", {SERIES: AXIAL}, STUDY),
    "a series of an empty study": ("STUDY", "SERIES", {STUDY: "", SERIES: AXIAL}, STUDY),
    "a series of every study": ("STUDY", "SERIES", {STUDY: "*", SERIES: AXIAL}, STUDY),
    "a series of two": ("STUDY", "SERIES", {STUDY: [CHEST, TWIN], SERIES: AXIAL}, STUDY),
    "no series": ("STUDY", "SERIES", {STUDY: CHEST}, SERIES),
    "an empty series": ("STUDY", "SERIES", {STUDY: CHEST, SERIES: ""}, SERIES),
    "every series": ("STUDY", "SERIES", {STUDY: CHEST, SERIES: "*"}, SERIES),
    "an image of no study": ("STUDY", "IMAGE", {SERIES: AXIAL, IMAGE: uid("a1")}, STUDY),
    "an image of no series": ("STUDY", "IMAGE", {STUDY: CHEST, IMAGE: uid("a1")}, SERIES),
    "an image of two series": (
        "STUDY", "IMAGE", {STUDY: CHEST, SERIES: [AXIAL, SCOUT], IMAGE: uid("a1")}, SERIES,
    ),
    "no image": ("STUDY", "IMAGE", {STUDY: CHEST, SERIES: AXIAL}, IMAGE),
    "an empty image": ("STUDY", "IMAGE", {STUDY: CHEST, SERIES: AXIAL, IMAGE: ""}, IMAGE),
    "every image": ("STUDY", "IMAGE", {STUDY: CHEST, SERIES: AXIAL, IMAGE: "*"}, IMAGE),
    "no patient": ("PATIENT", "PATIENT", {}, "PatientID"),
    "an empty patient": ("PATIENT", "PATIENT", {"PatientID": ""}, "PatientID"),
    "a patient of spaces": ("PATIENT", "PATIENT", {"PatientID": "  "}, "PatientID"),
    "every patient": ("PATIENT", "PATIENT", {"PatientID": "*"}, "PatientID"),
    "patients that begin so": ("PATIENT", "PATIENT", {"PatientID": "P*"}, "PatientID"),
    "patients of two letters": ("PATIENT", "PATIENT", {"PatientID": "P?"}, "PatientID"),
    "two patients": ("PATIENT", "PATIENT", {"PatientID": "P1\\P2"}, "PatientID"),
    "a study of no patient": ("PATIENT", "STUDY", {STUDY: CHEST}, "PatientID"),
    "a study of an empty patient": (
        "PATIENT", "STUDY", {"PatientID": "", STUDY: CHEST}, "PatientID",
    ),
    "a study of any patient": ("PATIENT", "STUDY", {"PatientID": "P*", STUDY: CHEST}, "PatientID"),
    "a study of two patients": (
        "PATIENT", "STUDY", {"PatientID": "P1\\P2", STUDY: CHEST}, "PatientID",
    ),
    "a series of no patient": ("PATIENT", "SERIES", {STUDY: CHEST, SERIES: AXIAL}, "PatientID"),
    "an image of an empty patient": (
        "PATIENT", "IMAGE", {"PatientID": "", STUDY: CHEST, SERIES: AXIAL, IMAGE: uid("a1")},
        "PatientID",
    ),
    "no patient, in patient/study only": (
        "PATIENT_STUDY_ONLY", "STUDY", {STUDY: CHEST}, "PatientID",
    ),
}  # fmt: skip
TAGS = {LEVEL: 0x00080052, STUDY: 0x0020000D, SERIES: 0x0020000E, IMAGE: 0x00080018,
        "PatientID": 0x00100020}  # fmt: skip


def expect_refusal(found: Answer, arrived: dict[str, bytes], keyword: str) -> None:
    assert found.status == 0xA900
    assert offending_elements(found.final) == [TAGS[keyword]]
    assert found.comment
    assert found.pending == []
    assert arrived == {}


@services
@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_said_exactly_is_refused(rig: Rig, service: str, case: str) -> None:
    model, level, values, keyword = REFUSALS[case]
    expect_refusal(*retrieve(rig, service, level, model, **values), keyword)


# model, level, keys, and what is sent or the key at fault
RELATIONAL: dict[str, tuple[str, str | None, dict[str, Any], tuple[str, ...] | str]] = {
    "a series": ("STUDY", "SERIES", {SERIES: SCOUT}, ("chest/s1",)),
    "series of several studies": (
        "STUDY", "SERIES", {SERIES: [SCOUT, series("knee"), series("head")]},
        ("chest/s1", "knee", "head"),
    ),
    "an image": ("STUDY", "IMAGE", {IMAGE: uid("a2")}, ("chest/a2",)),
    "images of several series": (
        "STUDY", "IMAGE", {IMAGE: [uid("a2"), uid("s1"), uid("k1")]},
        ("chest/a2", "chest/s1", "knee/k1"),
    ),
    "an image of a series": ("STUDY", "IMAGE", {SERIES: AXIAL, IMAGE: uid("t2")}, ("twin/t2",)),
    "an image of a study": ("STUDY", "IMAGE", {STUDY: TWIN, IMAGE: uid("a1")}, ("twin/a1",)),
    "empty upper keys": (
        "STUDY", "IMAGE", {STUDY: "", SERIES: "", IMAGE: uid("a2")}, ("chest/a2",),
    ),
    "a series of another study": ("STUDY", "SERIES", {STUDY: HEAD, SERIES: SCOUT}, ()),
    "an image of another series": ("STUDY", "IMAGE", {SERIES: SCOUT, IMAGE: uid("a2")}, ()),
    "any patient's study": ("PATIENT", "STUDY", {STUDY: CHEST}, ("chest",)),
    "any patient's series": ("PATIENT", "SERIES", {"PatientID": "", SERIES: SCOUT}, ("chest/s1",)),
    "another patient's series": ("PATIENT", "SERIES", {"PatientID": "P2", SERIES: SCOUT}, ()),
    "any patient's images": (
        "PATIENT", "IMAGE", {IMAGE: [uid("h1"), uid("k2")]}, ("head", "knee/k2"),
    ),
    "any patient's study, patient/study only": (
        "PATIENT_STUDY_ONLY", "STUDY", {STUDY: HEAD}, ("head",),
    ),
    "no level": ("STUDY", None, {SERIES: SCOUT}, LEVEL),
    "no series": ("STUDY", "SERIES", {STUDY: CHEST}, SERIES),
    "an empty image": ("STUDY", "IMAGE", {STUDY: CHEST, SERIES: AXIAL, IMAGE: ""}, IMAGE),
    "every series": ("STUDY", "SERIES", {SERIES: "*"}, SERIES),
    "no patient": ("PATIENT", "PATIENT", {STUDY: CHEST}, "PatientID"),
    "patients that begin so": ("PATIENT", "STUDY", {"PatientID": "P*", STUDY: CHEST}, "PatientID"),
    "studies that begin so": ("STUDY", "SERIES", {STUDY: "1.2.*", SERIES: SCOUT}, STUDY),
}  # fmt: skip


@services
@pytest.mark.parametrize("case", RELATIONAL)
def test_relational_retrieve(rig: Rig, service: str, case: str) -> None:
    model, level, values, expected = RELATIONAL[case]
    found, arrived = retrieve(rig, service, level, model, options=b"\1", **values)
    if isinstance(expected, str):
        expect_refusal(found, arrived, expected)
    else:
        assert arrived == of(*expected)
        expect_all(found, arrived)


@services
@pytest.mark.parametrize("options", [b"", b"\0"])
def test_what_was_not_negotiated_is_not_relational(rig: Rig, service: str, options: bytes) -> None:
    found, arrived = retrieve(
        rig, service, "SERIES", "STUDY", options=options, SeriesInstanceUID=SCOUT
    )
    expect_refusal(found, arrived, STUDY)


@services
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_identifiers_in_every_transfer_syntax(rig: Rig, service: str, syntax: str) -> None:
    """Both ways: the failed list comes back in it too."""
    broken = rig.node.path(item("three", "three2").dataset)
    with replaced(broken, "missing"):
        found, arrived = retrieve(
            rig,
            service,
            "STUDY",
            "STUDY",
            syntax=SYNTAXES[syntax],
            StudyInstanceUID=study("three"),
        )
    assert (found.status, found.counts) == (0xB000, (2, 1, 0))
    assert found.failed == {uid("three2")}
    assert arrived.keys() == {uid("three1"), uid("three3")}


# ---- what a C-STORE sub-operation says


@pytest.mark.parametrize(("message_id", "priority"), [(1, 0), (4711, 1), (65535, 2)])
def test_a_store_names_the_requestor(rig: Rig, message_id: int, priority: int) -> None:
    """PS3.7 9.1.1.1: the requestor's title and message ID; the request's priority."""
    with rig.peer.does() as peer:
        found = move(
            rig.node, "PEER", "STUDY", caller="ASKER", message_id=message_id, priority=priority,
            StudyInstanceUID=CHEST,
        )  # fmt: skip
        arrived = peer.inbox.take_all()
    expect_all(found, of("chest"))
    for i in arrived.values():
        assert i.message.MoveOriginatorApplicationEntityTitle == "ASKER"
        assert i.message.MoveOriginatorMessageID == message_id
        assert i.message.Priority == priority
    assert len({i.message.MessageID for i in arrived.values()}) == len(of("chest"))
    assert [(c.calling, c.called) for c in peer.callers] == [("MINIPACS", "PEER")]


def test_a_store_of_a_get_names_no_originator(rig: Rig) -> None:
    _, inbox = get(rig.node, "STUDY", StudyInstanceUID=HEAD)
    (arrived,) = inbox.take_all().values()
    assert arrived.message.MoveOriginatorApplicationEntityTitle is None
    assert arrived.message.MoveOriginatorMessageID is None
    assert arrived.message.Priority == 2


# ---- in which form


def forms_of(peer: Destination) -> dict[str, tuple[str, bytes]]:
    return {u: (a.transfer_syntax_uid, a.data_set) for u, a in peer.inbox.take_all().items()}


def test_the_stored_form_is_proposed_first_and_sent_as_it_lies(rig: Rig) -> None:
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("forms")), of("forms"))
        arrived = forms_of(peer)
        (caller,) = peer.callers
    expected = [i for i in HELD if i.study == "forms"]
    assert arrived == {i.uids[2]: (i.syntax, i.data_set) for i in expected}
    first = [syntaxes[0] for syntaxes in caller.proposed_for(CT)]
    for i in expected:
        assert (i.syntax,) in caller.proposed_for(CT)  # alone, so that it cannot be passed over
    assert first[0] == expected[0].syntax


def test_a_destination_that_would_prefer_another_form_gets_the_stored_one(rig: Rig) -> None:
    with rig.narrow["IMPLICIT FIRST"].does() as peer:
        found = move(rig.node, "IMPLICIT FIRST", "SERIES", StudyInstanceUID=CHEST,
                     SeriesInstanceUID=AXIAL)  # fmt: skip
        arrived = forms_of(peer)
    expect_all(found, of("chest/a1", "chest/a2"))
    expected = [item("chest", "a1"), item("chest", "a2")]
    assert arrived == {i.uids[2]: (EXPLICIT, i.data_set) for i in expected}


@pytest.mark.parametrize("sample", COMPRESSED, ids=lambda sample: sample.name)
@services
def test_compressed_bytes_go_out_as_they_lie(rig: Rig, service: str, sample: Sample) -> None:
    values = {STUDY: sample.uids[0]}
    if service == "get":
        contexts = [(sample.sop_class_uid, sample.transfer_syntax_uid)]
        found, inbox = get(rig.node, "STUDY", contexts=contexts, **values)
        arrived = inbox.data_sets()
    else:
        with rig.peer.does():
            found = move(rig.node, "PEER", "STUDY", **values)
            arrived = rig.peer.inbox.data_sets()
    assert arrived == {sample.uids[2]: sample.data_set}
    expect_all(found, arrived)


@pytest.mark.parametrize("stored", SYNTAXES)
@pytest.mark.parametrize("taken", SYNTAXES)
@services
def test_one_transfer_syntax_only(rig: Rig, service: str, taken: str, stored: str) -> None:
    """What lies in another form is converted (issue 4: these four among each other)."""
    original = item("forms", f"forms.{stored.replace(' ', '')}")
    instance = original.uids[2]
    values = dict(zip((STUDY, SERIES, IMAGE), original.uids, strict=True))
    if service == "get":
        found, inbox = get(rig.node, "IMAGE", contexts=[(CT, SYNTAXES[taken])], **values)
    else:
        title = f"{taken.upper()} ONLY"
        with rig.narrow[title].does() as peer:
            found, inbox = move(rig.node, title, "IMAGE", **values), peer.inbox
    expect_all(found, [instance])
    arrived = inbox.take_all()[instance]
    assert arrived.transfer_syntax_uid == SYNTAXES[taken]
    assert (arrived.data_set == original.data_set) == (taken == stored)
    assert same(arrived.data_set, SYNTAXES[taken], original)


def test_what_cannot_be_converted_fails_alone(rig: Rig) -> None:
    found = move(rig.node, "JPEG ONLY", "STUDY", StudyInstanceUID=study("plain"))
    assert (found.status, found.counts) == (0xA702, (0, 2, 0))
    assert found.failed == set(of("plain"))
    assert found.comment


@pytest.mark.parametrize(
    ("title", "syntax"), [("OFFER IMPLICIT", IMPLICIT), ("OFFER EXPLICIT", EXPLICIT)]
)
def test_only_the_transfer_syntaxes_of_the_peer_are_offered(
    rig: Rig, title: str, syntax: str
) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, title, "STUDY", StudyInstanceUID=study("plain"))
        arrived = peer.inbox.take_all()
        (caller,) = peer.callers
    expect_all(found, of("plain"))
    assert {s for _, syntaxes in caller.proposed for s in syntaxes} == {syntax}
    for name in ("explicit", "implicit"):
        original = item("plain", f"plain.{name}")
        data = arrived[original.uids[2]].data_set
        assert same(data, syntax, original)
        assert (data == original.data_set) == (original.syntax == syntax)


def test_a_peer_that_is_offered_no_form_of_it(rig: Rig) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, "OFFER JPEG", "STUDY", StudyInstanceUID=study("plain"))
        assert peer.inbox.take_all() == {}
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 2, 0), set(of("plain")))
    assert "OFFER JPEG" in found.comment


@pytest.mark.parametrize("title", ["SMALL PDUS", "ANY PDUS"])
def test_pdus_are_as_long_as_the_destination_takes(rig: Rig, title: str) -> None:
    name = "chest" if title == "SMALL PDUS" else "large"
    with rig.narrow[title].does() as peer:
        found = move(rig.node, title, "STUDY", StudyInstanceUID=study(name))
        assert peer.inbox.data_sets() == of(name)
        (caller,) = peer.callers
    expect_all(found, of(name))
    if title == "SMALL PDUS":
        assert caller.longest_pdu <= 4096


def test_a_long_data_set_in_small_pdus(rig: Rig) -> None:
    with rig.narrow["SMALL PDUS"].does() as peer:
        found = move(rig.node, "SMALL PDUS", "STUDY", StudyInstanceUID=study("large"))
        assert peer.inbox.data_sets() == of("large")
        assert 4000 < peer.callers[0].longest_pdu <= 4096
    expect_all(found, of("large"))


@pytest.mark.parametrize(("title", "pdu_bytes"), [("PEER", 1048576), ("PDU 16384", 16384)])
def test_the_pdu_size_offered_is_the_peers(rig: Rig, title: str, pdu_bytes: int) -> None:
    with rig.peer.does() as peer:
        expect_all(move(rig.node, title, "STUDY", StudyInstanceUID=HEAD), of("head"))
        assert [caller.pdu_bytes for caller in peer.callers] == [pdu_bytes]


def test_more_presentation_contexts_than_an_association_has(rig: Rig) -> None:
    """70 private classes in two transfer syntaxes each."""
    with rig.narrow["CLASSES"].does() as peer:
        found = move(rig.node, "CLASSES", "STUDY", StudyInstanceUID=study("classes"))
        peer.wait_until_left()
        assert peer.inbox.data_sets() == of("classes")
        sizes = [len(caller.proposed) for caller in peer.callers]
    expect_all(found, of("classes"))
    assert len(sizes) >= 2
    assert all(0 < size <= 128 for size in sizes)


def test_no_stall_where_acknowledgements_take_their_time(rig: Rig) -> None:
    """Neither side's TCP waits for the other's 40 ms: 50 such stalls are two seconds."""
    with rig.slow.does() as peer:
        found = move(rig.node, "SLOW", "STUDY", StudyInstanceUID=study("few"))
        assert peer.inbox.data_sets() == of("few")
    expect_all(found, of("few"))
    assert found.times[-1] - found.times[0] < 1.5


# ---- what is said on the way


@services
def test_pending_responses_of_many(rig: Rig, service: str) -> None:
    """One per 50 instances, and by time."""
    found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("many"))
    assert arrived == of("many")
    expect_all(found, arrived)
    steps = [0, *found.steps, 120]
    assert all(later - earlier <= 50 for earlier, later in pairwise(steps))
    assert len(found.pending) <= 2 + (found.times[-1] - found.times[0])


@services
def test_pending_responses_of_few(rig: Rig, service: str) -> None:
    found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("few"))
    assert found.steps == list(range(1, 50))
    expect_all(found, arrived)


def test_pending_responses_go_on_while_a_destination_stalls(rig: Rig) -> None:
    """At least one a second; the clocks of test and node may differ by a moment."""
    gate, times, pending = Gate(), [], []
    with rig.peer.does(at(3, do=hold(gate))) as peer:
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            for status, _ in responses:
                pending.append(status)
                times.append(time.monotonic())
                if len(pending) == 5:
                    gate.open()
                if status.Status != 0xFF00:
                    break
        assert peer.inbox.data_sets() == of("six")
    counts = [(p.NumberOfCompletedSuboperations, p.NumberOfRemainingSuboperations)
              for p in pending[:-1]]  # fmt: skip
    assert counts == [(1, 5), (2, 4), (2, 4), (2, 4), (2, 4), (3, 3), (4, 2), (5, 1)]
    assert pending[-1].Status == 0x0000
    assert all(later - earlier < 1.5 for earlier, later in pairwise(times))


def test_a_destination_without_room_for_a_second_association(rig: Rig) -> None:
    """Associations with a destination come one after the other where sends = 1."""
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six")), of("six"))
        assert len(peer.callers) == 1


# ---- how it ends

STATUSES = {
    0x0000: "completed", 0x0001: "warned", 0x0107: "warned", 0x0116: "warned",
    0xB000: "warned", 0xB006: "warned", 0xB007: "warned", 0xB123: "warned",
    0xA700: "failed", 0xA900: "failed", 0xC000: "failed", 0xCFFF: "failed",
    0x0110: "failed", 0x0122: "failed", 0x0124: "failed", 0x0117: "failed",
}  # fmt: skip


@services
@pytest.mark.parametrize("status", STATUSES, ids=lambda status: f"{status:04X}")
def test_a_status_of_one_of_three(rig: Rig, service: str, status: int) -> None:
    """PS3.4 C.4.2.3.1; the statuses of C-STORE by their class (PS3.7 annex C)."""
    values = {STUDY: study("three")}
    inbox = Inbox(statuses={uid("three2"): status})
    if service == "get":
        found, _ = get(rig.node, "STUDY", inbox=inbox, **values)
    else:
        with rig.peer.does(lambda coming: status if coming.number == 2 else None):
            found = move(rig.node, "PEER", "STUDY", **values)
    kind = STATUSES[status]
    counts = (3, 0, 0) if kind == "completed" else (2, kind == "failed", kind == "warned")
    assert found.counts == counts
    assert found.status == (0x0000 if kind == "completed" else 0xB000)
    assert found.failed == ({uid("three2")} if kind == "failed" else set())
    if kind == "failed":
        assert f"{status:04X}" in found.comment


@services
@pytest.mark.parametrize(
    ("status", "final", "counts"),
    [(0xA700, 0xA702, (0, 6, 0)), (0xC000, 0xA702, (0, 6, 0)), (0xB000, 0xB000, (0, 0, 6))],
)
def test_a_status_of_all(
    rig: Rig, service: str, status: int, final: int, counts: tuple[int, int, int]
) -> None:
    values = {STUDY: study("six")}
    if service == "get":
        inbox = Inbox(statuses=dict.fromkeys(of("six"), status))
        found, _ = get(rig.node, "STUDY", inbox=inbox, **values)
    else:
        with rig.peer.does(lambda coming: status):
            found = move(rig.node, "PEER", "STUDY", **values)
    assert (found.status, found.counts) == (final, counts)
    assert found.failed == (set(of("six")) if counts[1] else set())
    assert found.steps == [1, 2, 3, 4, 5]


def test_failed_and_warned_together(rig: Rig) -> None:
    statuses = {uid("six1"): 0xB000, uid("six3"): 0xA700, uid("six4"): 0xC123, uid("six6"): 0xB007}
    with rig.peer.does(lambda coming: statuses.get(coming.uid)):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
    assert (found.status, found.counts) == (0xB000, (2, 2, 2))
    assert found.failed == {uid("six3"), uid("six4")}
    assert [p.NumberOfFailedSuboperations for p in found.pending] == [0, 0, 1, 2, 2]


def test_a_class_that_is_refused_fails_alone(rig: Rig) -> None:
    with rig.narrow["NO MR"].does() as peer:
        found = move(rig.node, "NO MR", "STUDY", StudyInstanceUID=study("mixed"))
        assert peer.inbox.data_sets() == of("mixed/mc1", "mixed/mc2", "mixed/mp1")
    assert (found.status, found.counts) == (0xB000, (3, 2, 0))
    assert found.failed == {uid("mm1"), uid("mm2")}


def test_a_private_class_that_is_refused_fails_alone(rig: Rig) -> None:
    with rig.narrow["EXPLICIT ONLY"].does() as peer:
        found = move(rig.node, "EXPLICIT ONLY", "STUDY", StudyInstanceUID=study("mixed"))
        assert peer.inbox.data_sets().keys() == set(of("mixed")) - {uid("mp1")}
    assert (found.status, found.counts, found.failed) == (0xB000, (4, 1, 0), {uid("mp1")})


@pytest.mark.parametrize("title", ["UNHEARD OF", "NO ADDRESS", "ONLY FINDS", "peer"])
def test_an_unknown_destination(rig: Rig, title: str) -> None:
    mark = rig.node.mark()
    found = move(rig.node, title, "STUDY", StudyInstanceUID=HEAD)
    assert found.status == 0xA801
    assert title in found.comment
    assert title in rig.node.wait_for_log("move refused peer=TESTER", after=mark)


@pytest.mark.parametrize(
    "title",
    ["DOWN", "STRANGER", "HANGS UP", "MUTE", "REJECTS", "NO CONTEXT", "SCP REFUSES", "SCP BREAKS"],
)
def test_a_destination_that_takes_nothing(rig: Rig, title: str) -> None:
    """Known but not to be reached: A702, and the comment says which it was."""
    started = time.monotonic()
    found = move(rig.node, title, "STUDY", StudyInstanceUID=CHEST)
    assert (found.status, found.counts) == (0xA702, (0, 4, 0))
    assert found.failed == set(of("chest"))
    assert title in found.comment
    assert time.monotonic() - started < 8
    told = f'"{title}"' if " " in title else title
    rig.node.wait_for_log("moved", f"destination={told}", "failed=4", "status=A702")


def test_pending_responses_while_nobody_answers(rig: Rig) -> None:
    found = move(rig.node, "MUTE", "STUDY", StudyInstanceUID=CHEST)
    assert found.status == 0xA702
    assert found.longest_wait < 1.5


# ---- files that are not what they should be


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def without_syntax(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(data[start + 6 : start + 8], "little")
    path.write_bytes(data[:start] + data[start + 8 + length :])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x10
    path.write_bytes(data)


BROKEN: dict[str, Any] = {
    "missing": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "empty": lambda path: cut(path, 0),
    "cut in the preamble": lambda path: cut(path, 100),
    "cut in the file meta": lambda path: cut(path, 200),
    "no DICOM": lambda path: path.write_bytes(bytes(4096)),
    "no transfer syntax": without_syntax,
    "without its data set": lambda path: cut(path, path.stat().st_size - len(data_set_bytes(path))),
    "cut in the data set": lambda path: cut(path, path.stat().st_size - 20),
}
ROTTEN: dict[str, Any] = {"one bit of its pixels flipped": flip_a_bit}


@contextmanager
def replaced(path: Path, how: str) -> Iterator[None]:
    """Break a file of the tree, and put it back."""
    whole = path.read_bytes()
    (BROKEN | ROTTEN)[how](path)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(whole)


@services
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_fails_alone(rig: Rig, service: str, how: str) -> None:
    mark = rig.node.mark()
    with replaced(rig.node.path(item("three", "three2").dataset), how):
        found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("three"))
    assert arrived == of("three/three1", "three/three3")
    assert (found.status, found.counts, found.failed) == (0xB000, (2, 1, 0), {uid("three2")})
    rig.node.wait_for_log("sub-operation failed", uid("three2"), after=mark)


@services
@pytest.mark.parametrize("how", ["cut in the data set", "one bit of its pixels flipped"])
def test_a_broken_file_that_needs_converting_fails_alone(rig: Rig, service: str, how: str) -> None:
    with replaced(rig.node.path(item("three", "three2").dataset), how):
        if service == "get":
            found, inbox = get(
                rig.node, "STUDY", contexts=[(CT, IMPLICIT)], StudyInstanceUID=study("three")
            )
        else:
            with rig.narrow["IMPLICIT ONLY"].does() as peer:
                found = move(rig.node, "IMPLICIT ONLY", "STUDY", StudyInstanceUID=study("three"))
                inbox = peer.inbox
    assert inbox.take_all().keys() == {uid("three1"), uid("three3")}
    assert (found.status, found.counts, found.failed) == (0xB000, (2, 1, 0), {uid("three2")})


@services
def test_when_every_file_is_missing_the_retrieve_has_failed(rig: Rig, service: str) -> None:
    with ExitStack() as stack:
        for name in ("three1", "three2", "three3"):
            path = rig.node.path(item("three", name).dataset)
            stack.enter_context(replaced(path, "missing"))
        found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("three"))
    assert arrived == {}
    assert (found.status, found.counts) == (0xA702, (0, 3, 0))
    assert found.failed == set(of("three"))


# ---- destinations that fail on the way

MISHAPS = {
    "aborts": abort,
    "drops the connection": drop,
    "resets the connection": reset,
    "talks nonsense": talk_nonsense,
    "answers another request": answer_another,
    "answers without a status": answer_without_status,
    "answers an echo": answer_an_echo,
    "asks back": ask_back,
}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_one_reconnect_for_the_rest(rig: Rig, mishap: str) -> None:
    """The instance that was under way has failed; what was not begun still arrives, at once."""
    started = time.monotonic()
    with rig.peer.does(at(3, do=MISHAPS[mishap])) as peer:
        found = move(rig.node, "BRISK", "STUDY", StudyInstanceUID=study("six"))
        seconds = time.monotonic() - started
        peer.wait_until_left()
        arrived = peer.inbox.data_sets()
        shares = [len(caller.instances) for caller in peer.callers]
    assert shares == [3, 3]
    assert found.failed == {uid("six3")}
    assert (found.status, found.counts) == (0xB000, (5, 1, 0))
    rest = {u: d for u, d in of("six").items() if u != uid("six3")}
    arrived.pop(uid("six3"), None)  # nonsense came after it had been taken
    assert arrived == rest
    assert seconds < 5


def test_a_destination_that_asks_for_release_in_the_middle(rig: Rig) -> None:
    with rig.peer.does(at(3, do=ask_for_release)) as peer:
        found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
        assert len(peer.callers) == 2
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six3")})
    assert len(arrived) == 5


def test_after_two_aborts_the_rest_has_failed(rig: Rig) -> None:
    with rig.peer.does(at(2, 4, do=abort)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert len(peer.callers) == 2
        assert peer.inbox.data_sets() == of("six/six1", "six/six3")
    assert (found.status, found.counts) == (0xB000, (2, 4, 0))
    assert found.failed == {uid(f"six{number}") for number in (2, 4, 5, 6)}
    assert "PEER" in found.comment


def test_a_destination_that_always_aborts(rig: Rig) -> None:
    with rig.peer.does(abort) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert [len(caller.instances) for caller in peer.callers] == [1, 1]
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "PEER" in found.comment


def test_a_destination_that_hangs_up_once_it_has_accepted(rig: Rig) -> None:
    """What was sent into the void may count as failed; the rest goes over the reconnect."""
    with rig.peer.does() as peer, peer.hanging_up(1):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
        assert len(peer.callers) == 2
    assert found.failed <= {uid("six1")}
    assert arrived.keys() == set(of("six")) - found.failed
    assert found.counts == (len(arrived), len(found.failed), 0)


def test_a_destination_that_hangs_up_whenever_it_has_accepted(rig: Rig) -> None:
    with rig.peer.does() as peer, peer.hanging_up(100):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        assert len(peer.callers) == 2
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "PEER" in found.comment


def test_an_abort_at_the_last_instance(rig: Rig) -> None:
    """There is nothing left to connect again for."""
    with rig.peer.does(at(6, do=abort)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        assert len(peer.callers) == 1
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six6")})


def test_a_response_twice_is_not_taken_for_the_next(rig: Rig) -> None:
    def twice(coming: Coming) -> None:
        coming.respond(0x0000)

    with rig.peer.does(at(3, do=twice)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
    assert found.failed <= {uid("six4")}
    assert found.counts == (6 - len(found.failed), len(found.failed), 0)
    assert set(of("six")) - found.failed <= arrived.keys()


def test_a_stall_ends_by_the_peers_dimse_timeout(rig: Rig) -> None:
    gate, started = Gate(), time.monotonic()
    with rig.peer.does(hold(gate)) as peer:
        try:
            found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
            seconds = time.monotonic() - started
        finally:
            gate.open()
        assert len(peer.callers) == 2  # one reconnect
        peer.wait_until_left()
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "IMPATIENT" in found.comment
    assert 1 < seconds < 6
    assert found.longest_wait < 1.5


def test_after_one_stall_the_rest_arrives(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        try:
            found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
        finally:
            gate.open()
        assert len(peer.callers) == 2
        peer.wait_until_left()
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six2")})


def test_a_destination_that_reads_no_more(rig: Rig) -> None:
    """What is sent fills the buffers of the kernel, and then nothing goes on."""
    started = time.monotonic()
    with rig.peer.does() as peer, peer.not_reading():
        found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("large"))
        assert peer.inbox.take_all() == {}
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 1, 0), {uid("large")})
    assert "IMPATIENT" in found.comment
    assert time.monotonic() - started < 8


def test_a_destination_that_never_answers_the_release(rig: Rig) -> None:
    """All has arrived; the requestor is told so."""
    started = time.monotonic()
    with rig.peer.does() as peer, peer.not_releasing() as gate:
        found = move(rig.node, "PATIENT", "STUDY", StudyInstanceUID=CHEST)
        seconds = time.monotonic() - started
        assert gate.reached.wait(CLIENT_SECONDS)
    expect_all(found, of("chest"))
    assert seconds < 4


# ---- several sends at once


def test_several_sends_at_once(rig: Rig) -> None:
    """The first three wait for each other: only associations at the same time get past that."""
    together = threading.Barrier(3, timeout=START_SECONDS)

    def meet(coming: Coming) -> None:
        together.wait()

    with rig.peer.does(at(1, 2, 3, do=meet)) as peer:
        found = move(rig.node, "THREE", "STUDY", caller="ASKER", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert len(peer.callers) == 3
        arrived = peer.inbox.take_all()
    expect_all(found, of("six"))
    assert {u: a.data_set for u, a in arrived.items()} == of("six")
    originators = {a.message.MoveOriginatorApplicationEntityTitle for a in arrived.values()}
    assert originators == {"ASKER"}
    assert found.steps == [1, 2, 3, 4, 5]


def test_no_more_associations_than_instances(rig: Rig) -> None:
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "THREE", "STUDY", StudyInstanceUID=KNEE), of("knee"))
        assert len(peer.callers) <= 2


def test_many_by_several_sends(rig: Rig) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("many"))
        assert peer.inbox.data_sets() == of("many")
    expect_all(found, of("many"))


def test_one_send_that_is_aborted_for_good_leaves_the_rest_to_the_others(rig: Rig) -> None:
    """Two of three associations are aborted at once: there is one reconnect, and the third."""
    together, gate = threading.Barrier(3, timeout=START_SECONDS), Gate()
    aborted: list[Coming] = []

    def script(coming: Coming) -> None:
        if coming.number > 3:
            return
        together.wait()
        if coming.number == 3:
            gate.hold()
        else:
            aborted.append(coming)
            abort(coming)

    with rig.peer.does(script) as peer:
        result: list[Answer] = []
        asking = threading.Thread(
            target=lambda: result.append(
                move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("six"))
            )
        )
        asking.start()
        gate.wait_until_reached()
        for coming in list(aborted):
            assert coming.caller.ended.wait(START_SECONDS)
        gate.open()
        asking.join(CLIENT_SECONDS)
        arrived = peer.inbox.data_sets()
    (found,) = result
    assert (found.status, found.counts) == (0xB000, (4, 2, 0))
    assert len(arrived) == 4


def test_three_sends_aborted_at_once_are_followed_by_one_reconnect(rig: Rig) -> None:
    together = threading.Barrier(3, timeout=START_SECONDS)

    def fail(coming: Coming) -> None:
        together.wait()
        abort(coming)

    with rig.peer.does(at(1, 2, 3, do=fail)) as peer:
        found = move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
    assert (found.status, found.counts) == (0xB000, (3, 3, 0))
    assert arrived.keys() == set(of("six")) - found.failed


# ---- C-CANCEL, and requestors that go away


def test_a_move_is_cancelled_within_one_sub_operation(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
            gate.wait_until_reached()
            association.send_c_cancel(7, query_model=MOVE["STUDY"])
            assert rig.node.echoes()  # by then the node has read the C-CANCEL
            gate.open()
            found = answer(responses)
        peer.wait_until_left()
        arrived = peer.inbox.take_all()
    assert found.status == 0xFE00
    assert len(arrived) in (2, 3)
    assert found.counts == (len(arrived), 0, 0)
    assert found.final.NumberOfRemainingSuboperations == 6 - len(arrived)
    assert found.failed == set()


def test_what_failed_before_the_cancel_is_listed(rig: Rig) -> None:
    gate = Gate()

    def script(coming: Coming) -> int | None:
        if coming.number == 3:
            gate.hold()
        return 0xA700 if coming.number == 1 else None

    with (
        rig.peer.does(script),
        rig.node.association((MOVE["STUDY"], EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
        gate.wait_until_reached()
        association.send_c_cancel(7, query_model=MOVE["STUDY"])
        assert rig.node.echoes()
        gate.open()
        found = answer(responses)
    assert found.status == 0xFE00
    assert found.failed == {uid("six1")}
    assert found.final.NumberOfRemainingSuboperations in (2, 3)


def test_a_cancel_of_several_sends(rig: Rig) -> None:
    gate, together = Gate(), threading.Barrier(3, timeout=START_SECONDS)

    def script(coming: Coming) -> None:
        if coming.number <= 3:
            together.wait()
            gate.hold()

    with rig.peer.does(script) as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("many"))
            responses = association.send_c_move(query, "THREE", MOVE["STUDY"], msg_id=7)
            gate.wait_until_reached()
            association.send_c_cancel(7, query_model=MOVE["STUDY"])
            assert rig.node.echoes()
            gate.open()
            found = answer(responses)
        peer.wait_until_left()
        arrived = peer.inbox.take_all()
    assert found.status == 0xFE00
    assert 3 <= len(arrived) <= 6  # each lane may have begun one more
    assert found.counts == (len(arrived), 0, 0)
    assert found.final.NumberOfRemainingSuboperations == 120 - len(arrived)


def test_a_cancel_of_another_message_is_ignored(rig: Rig) -> None:
    gate = Gate()
    with (
        rig.peer.does(at(2, do=hold(gate))),
        rig.node.association((MOVE["STUDY"], EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
        gate.wait_until_reached()
        association.send_c_cancel(8, query_model=MOVE["STUDY"])
        gate.open()
        found = answer(responses)
    expect_all(found, of("six"))


def test_a_get_is_cancelled_within_one_sub_operation(rig: Rig) -> None:
    """The C-CANCEL goes out before the response to the second C-STORE."""
    inbox, associations = Inbox(), []
    taken = inbox.take

    def take(event: Any) -> int:
        if len(inbox.arrived) == 1:
            associations[0].send_c_cancel(9, query_model=GET["STUDY"])
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with rig.node.association(*contexts, **getting(inbox, contexts)) as association:
        associations.append(association)
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        found = answer(association.send_c_get(query, GET["STUDY"], msg_id=9))
    assert found.status == 0xFE00
    assert found.counts == (len(inbox.arrived), 0, 0)
    assert len(inbox.arrived) in (2, 3)
    assert found.final.NumberOfRemainingSuboperations == 6 - len(inbox.arrived)


def test_a_requestor_that_aborts_stops_the_delivery(rig: Rig) -> None:
    gate, mark = Gate(), rig.node.mark()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        association = rig.node.associate((MOVE["STUDY"], EXPLICIT), ae_title="QUITTER")
        query = identifier("STUDY", StudyInstanceUID=study("many"))
        association.send_c_move(query, "PEER", MOVE["STUDY"])
        gate.wait_until_reached()
        association.abort()
        rig.node.wait_for_log("association closed peer=QUITTER", "by=abort", after=mark)
        gate.open()
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) <= 3
    assert rig.node.echoes()


def test_a_requestor_that_drops_its_connection_stops_the_delivery(rig: Rig) -> None:
    gate, mark = Gate(), rig.node.mark()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        association = rig.node.associate((MOVE["STUDY"], EXPLICIT), ae_title="DROPPER")
        query = identifier("STUDY", StudyInstanceUID=study("many"))
        association.send_c_move(query, "PEER", MOVE["STUDY"])
        gate.wait_until_reached()
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        rig.node.wait_for_log("association closed peer=DROPPER", "by=abort", after=mark)
        gate.open()
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) <= 3
    association.kill()


def test_a_requestor_of_a_get_that_goes_away(rig: Rig) -> None:
    inbox, mark = Inbox(), rig.node.mark()
    taken = inbox.take

    def take(event: Any) -> int:
        if len(inbox.arrived) == 2:
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    association = rig.node.associate(*contexts, ae_title="QUITTER", **getting(inbox, contexts))
    query = identifier("STUDY", StudyInstanceUID=study("many"))
    last = list(association.send_c_get(query, GET["STUDY"]))[-1]
    assert "Status" not in last[0]
    rig.node.wait_for_log("association closed peer=QUITTER", "by=abort", after=mark)
    assert len(inbox.take_all()) <= 4
    assert rig.node.echoes()


# ---- several at once


def test_several_moves_at_once(rig: Rig) -> None:
    """To the same and to other destinations; each waits until all have begun."""
    together = threading.Barrier(4, timeout=START_SECONDS)
    begun: set[int] = set()

    def meet(coming: Coming) -> None:
        number = coming.event.request.MoveOriginatorMessageID
        if number not in begun:
            begun.add(number)
            together.wait()

    asked = [("PEER", "six"), ("PEER", "many"), ("OTHER", "other"), ("OTHER", "six")]
    answers: dict[int, Answer] = {}

    def ask(number: int, title: str, name: str) -> None:
        answers[number] = move(
            rig.node, title, "STUDY", caller=f"ASKER{number}", message_id=number,
            StudyInstanceUID=study(name),
        )  # fmt: skip

    with rig.peer.does(meet), rig.other.does(meet):
        threads = [
            threading.Thread(target=ask, args=(number, *what))
            for number, what in enumerate(asked, 1)
        ]
        for thread in threads:
            thread.start()
        got, inbox = get(rig.node, "STUDY", StudyInstanceUID=study("other"))
        for thread in threads:
            thread.join(CLIENT_SECONDS)
        arrived: dict[tuple[str, int, str], dict[str, bytes]] = {}
        for title, destination in (("PEER", rig.peer), ("OTHER", rig.other)):
            for instance, item_ in destination.inbox.take_all().items():
                message = item_.message
                by = (title, message.MoveOriginatorMessageID,
                      message.MoveOriginatorApplicationEntityTitle)  # fmt: skip
                arrived.setdefault(by, {})[instance] = item_.data_set
    expect_all(got, of("other"))
    assert inbox.data_sets() == of("other")
    assert arrived == {
        (title, number, f"ASKER{number}"): of(name) for number, (title, name) in enumerate(asked, 1)
    }
    for number, (_, name) in enumerate(asked, 1):
        expect_all(answers[number], of(name))


def test_a_stalled_move_holds_up_no_other(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(1, do=hold(gate))), rig.other.does() as other:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            gate.wait_until_reached()
            expect_all(move(rig.node, "OTHER", "STUDY", StudyInstanceUID=CHEST), of("chest"))
            expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=KNEE), of("knee"))
            gate.open()
            expect_all(answer(responses), of("six"))
        assert other.inbox.data_sets() == of("chest")


def test_one_association_asks_again_and_again(rig: Rig) -> None:
    with rig.peer.does() as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            for number, title in enumerate(("PEER", "DOWN", "PEER", "UNHEARD OF", "PEER"), 1):
                query = identifier("STUDY", StudyInstanceUID=HEAD)
                found = answer(association.send_c_move(query, title, MOVE["STUDY"], number))
                expected = {"PEER": 0x0000, "DOWN": 0xA702}.get(title, 0xA801)
                assert found.status == expected
        assert len(peer.inbox.arrived) == 3
        peer.inbox.arrived.clear()


# ---- rights


@pytest.mark.parametrize(
    ("title", "move_taken", "get_taken"),
    [("ONLY FINDS", False, False), ("ONLY MOVES", True, False), ("ONLY GETS", False, True)],
)
def test_the_rights_of_peers_hold(rig: Rig, title: str, move_taken: bool, get_taken: bool) -> None:
    contexts = [(uid, EXPLICIT) for uid in (MOVE["STUDY"], GET["STUDY"])]
    association = rig.node.associate(*contexts, (ECHO, EXPLICIT), ae_title=title)
    taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
    if association.is_established:
        association.release()
    assert (MOVE["STUDY"] in taken, GET["STUDY"] in taken) == (move_taken, get_taken)


def test_who_may_not_get_is_sent_nothing(rig: Rig) -> None:
    """The role of SCP is not granted to it, though it may store."""
    roles = [build_role(CT, scu_role=True, scp_role=True)]
    association = rig.node.associate((CT, EXPLICIT), ae_title="ONLY FINDS", ext_neg=roles)
    (context,) = association.accepted_contexts
    assert (context.as_scu, context.as_scp) == (True, False)
    association.release()


def test_who_may_only_move_moves(rig: Rig) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, "PEER", "STUDY", caller="ONLY MOVES", StudyInstanceUID=CHEST)
        assert peer.inbox.data_sets() == of("chest")
    expect_all(found, of("chest"))


# ---- C-GET requestors


def test_a_get_of_classes_that_are_taken_in_part(rig: Rig) -> None:
    found, inbox = get(
        rig.node, "STUDY", contexts=[(CT, EXPLICIT), (PRIVATE, EXPLICIT)],
        StudyInstanceUID=study("mixed"),
    )  # fmt: skip
    assert inbox.data_sets() == of("mixed/mc1", "mixed/mc2", "mixed/mp1")
    assert (found.status, found.counts) == (0xB000, (3, 2, 0))
    assert found.failed == {uid("mm1"), uid("mm2")}


@pytest.mark.parametrize(
    ("roles", "names"),
    [([CT], ("mixed/mc1", "mixed/mc2")), ([MR], ("mixed/mm1", "mixed/mm2")), ([], ())],
)
def test_a_get_by_a_requestor_that_is_no_scp_of_some(
    rig: Rig, roles: list[str], names: tuple[str, ...]
) -> None:
    """Contexts are there for all, the role of SCP is not."""
    found, inbox = get(rig.node, "STUDY", roles=roles, StudyInstanceUID=study("mixed"))
    assert inbox.data_sets() == of(*names)
    assert found.counts == (len(names), 5 - len(names), 0)
    assert found.status == (0xB000 if names else 0xA702)
    assert found.failed == set(of("mixed")) - set(of(*names))


def test_a_get_takes_the_stored_form_where_there_are_two(rig: Rig) -> None:
    contexts = [(CT, EXPLICIT), (CT, IMPLICIT)]
    found, inbox = get(rig.node, "STUDY", contexts=contexts, StudyInstanceUID=study("plain"))
    expect_all(found, of("plain"))
    arrived = {u: (a.transfer_syntax_uid, a.data_set) for u, a in inbox.take_all().items()}
    expected = [i for i in HELD if i.study == "plain"]
    assert arrived == {i.uids[2]: (i.syntax, i.data_set) for i in expected}


def test_a_get_without_any_storage_class(rig: Rig) -> None:
    found, inbox = get(rig.node, "STUDY", contexts=[], StudyInstanceUID=CHEST)
    assert inbox.take_all() == {}
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 4, 0), set(of("chest")))


def test_a_get_requestor_that_stalls_ends_by_dimse_timeout(start_node: StartNode) -> None:
    """It is the requestor's own association: it ends, and the node goes on."""
    node, gate = start_node(limits={"dimse_timeout": 1}), Gate()
    fill(node, [i for i in HELD if i.study == "six"])
    inbox = Inbox()
    taken = inbox.take

    def take(event: Any) -> int:
        gate.hold()
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    association = node.associate(*contexts, ae_title="SLEEPER", **getting(inbox, contexts))
    mark = node.mark()
    asking = threading.Thread(
        target=lambda: list(
            association.send_c_get(identifier("STUDY", StudyInstanceUID=study("six")), GET["STUDY"])
        )
    )
    asking.start()
    gate.wait_until_reached()
    try:
        node.wait_for_log("association closed peer=SLEEPER", after=mark, seconds=5)
    finally:
        gate.open()
        asking.join(CLIENT_SECONDS)
    assert node.echoes()


def test_a_requestor_that_waits_for_long_is_not_silent(start_node: StartNode, rig: Rig) -> None:
    """A move may take longer than the node waits for traffic; the association goes on."""
    gate = Gate()
    peers = {"PEER": {"host": "127.0.0.1", "port": rig.peer.port}}
    node = start_node(peers=peers, limits={"network_timeout": 1})
    fill(node, [i for i in HELD if i.study == "three"])
    with (
        rig.peer.does(at(2, do=hold(gate))),
        node.association((MOVE["STUDY"], EXPLICIT), (ECHO, EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("three"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
        late = [next(responses) for _ in range(4)][-1]  # one a second, while it is held
        assert late[0].Status == 0xFF00
        gate.open()
        assert answer(responses).status == 0x0000
        assert association.send_c_echo().Status == 0x0000


# ---- the node itself, TLS, and the end of the node


def test_a_move_to_the_node_itself(start_node: StartNode) -> None:
    """All is there already; it stays as it is. Under another title it turns itself away."""
    port = free_port()
    own = {"host": "127.0.0.1", "port": port}
    peers = {"MINIPACS": own, "ALIAS": own, "SEVERAL": {**own, "sends": 2}}
    node = start_node(node={"port": port}, peers=peers)
    held = [i for i in HELD if i.study in ("chest", "knee")]
    fill(node, held)
    before = {path: path.stat().st_mtime_ns for path in node.files()}
    mark = node.mark()
    expect_all(move(node, "MINIPACS", "PATIENT", "PATIENT", PatientID="P1"), held)
    node.wait_for_log("association closed peer=MINIPACS", "requests=6", after=mark)
    assert len(node.logged("already there peer=MINIPACS", after=mark)) == 6
    found = move(node, "ALIAS", "STUDY", StudyInstanceUID=CHEST)
    assert (found.status, found.counts) == (0xA702, (0, 4, 0))
    assert "ALIAS" in found.comment
    assert {path: path.stat().st_mtime_ns for path in node.files()} == before
    assert node.echoes()


def test_tls_per_peer(start_node: StartNode, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", 1)
    ours, theirs = authority.sign("ours"), Authority(tmp_path, "other", 2).sign("theirs")
    with ExitStack() as stack:
        start = stack.enter_context
        known = start(Destination().serving(STANDARD, tls=authority.server(ours)))
        unknown = start(Destination().serving(STANDARD, tls=authority.server(theirs)))
        plain = start(Destination().serving(STANDARD))
        silent = start(mute())
        host = {"host": "127.0.0.1"}
        node = start_node(
            tls=authority.table(ours),
            peers={
                "KNOWN": {**host, "port": known.port, "tls": True},
                "UNKNOWN": {**host, "port": unknown.port, "tls": True},
                "NOT TLS": {**host, "port": plain.port, "tls": True},
                "TLS UNSAID": {**host, "port": known.port},
                "PLAIN": {**host, "port": plain.port},
                "MUTE": {**host, "port": silent, "tls": True, "acse_timeout": 1},
            },
        )
        tls = {"tls_args": (authority.client(), "127.0.0.1")}
        held = [i for i in HELD if i.study == "chest"]
        with node.association(*{(i.sop_class, i.syntax) for i in held}, **tls) as association:
            for i in held:
                send(association, i.sop_class, i.uids[2], i.data_set, i.syntax)
        with node.association((MOVE["STUDY"], EXPLICIT), **tls) as association:

            def ask(title: str) -> Answer:
                query = identifier("STUDY", StudyInstanceUID=CHEST)
                return answer(association.send_c_move(query, title, MOVE["STUDY"]))

            expect_all(ask("KNOWN"), held)
            assert known.inbox.data_sets() == of("chest")
            expect_all(ask("PLAIN"), held)
            assert plain.inbox.data_sets() == of("chest")
            for title in ("UNKNOWN", "NOT TLS", "TLS UNSAID", "MUTE"):
                found = ask(title)
                assert (found.status, found.counts) == (0xA702, (0, 4, 0)), title
                assert title in found.comment
        assert unknown.callers == []


def test_a_node_that_is_told_to_stop_finishes_the_move(start_node: StartNode) -> None:
    gate = Gate()
    with Destination().serving(STANDARD) as peer:
        node = start_node(peers={"PEER": {"host": "127.0.0.1", "port": peer.port}})
        fill(node, [i for i in HELD if i.study == "six"])
        with peer.does(at(2, do=hold(gate))):
            association = node.associate((MOVE["STUDY"], EXPLICIT))
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            gate.wait_until_reached()
            codes: list[int] = []
            stopping = threading.Thread(target=lambda: codes.append(node.stop()))
            stopping.start()
            gate.open()
            expect_all(answer(responses), of("six"))
            association.release()
            stopping.join(START_SECONDS)
        assert codes == [0]
        assert peer.inbox.data_sets() == of("six")


def test_moves_by_several_workers(start_node: StartNode) -> None:
    with Destination().serving(STANDARD) as peer:
        node = start_node(node={"workers": 2},
                          peers={"PEER": {"host": "127.0.0.1", "port": peer.port}})  # fmt: skip
        fill(node, [i for i in HELD if i.study in ("six", "other")])
        for name in ("six", "other", "six", "other"):
            with peer.does():
                expect_all(move(node, "PEER", "STUDY", StudyInstanceUID=study(name)), of(name))
                assert peer.inbox.data_sets() == of(name)


# ---- more than counts and lists can hold


def test_more_instances_than_a_count_can_hold(start_node: StartNode, tmp_path: Path) -> None:
    """66,000 rows of the index whose files are not there, and a destination that is down."""
    node = start_node(
        peers={"DOWN": {"host": "127.0.0.1", "port": free_port()}}, storage={"sync": False}
    )
    fill(node, [item("head", "h1")])
    assert node.stop() == 0
    with sqlite3.connect(node.data / "index.sqlite") as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(instance)")]
        columns = [name for name in names if name != "id"]
        uid_of = "SOPInstanceUID || '.' || number"
        values = [uid_of if name == "SOPInstanceUID" else name for name in columns]
        database.execute(
            "WITH RECURSIVE numbers(number) AS "
            "(SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 66000) "
            f"INSERT INTO instance ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM instance, numbers"
        )
    database.close()
    node.start()
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID=HEAD)
        *pending, (final, data) = association.send_c_move(query, "DOWN", MOVE["STUDY"])
    assert final.Status == 0xA702
    assert final.NumberOfFailedSuboperations == 65535
    assert final.NumberOfCompletedSuboperations == final.NumberOfWarningSuboperations == 0
    assert all(p.NumberOfRemainingSuboperations <= 65535 for p, _ in pending)
    listed = list(data.FailedSOPInstanceUIDList)
    expected = {uid("h1"), *(f"{uid('h1')}.{number}" for number in range(1, 66001))}
    assert set(listed) <= expected
    assert len(set(listed)) == len(listed) > 2000  # those that fit an element of 64 KB
    assert node.echoes()


# ---- memory

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
MIB = 1024 * 1024


def peaks(node: RunningNode) -> dict[int, int]:
    """The peak resident memory of each process of the node, in bytes."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(status.parent.name)) == node.process.pid:
                match = _PEAK.search(status.read_text())
                assert match
                found[int(status.parent.name)] = int(match[1]) * 1024
        except (OSError, AssertionError):
            continue
    return found


def test_a_large_instance_takes_flat_memory(tmp_path: Path) -> None:
    """One of 150 MiB, moved and got, by DCMTK's programs; less than 60 MiB come on top."""
    large = Item("huge", "huge", "huge", "P1", pixel_bytes=150 * MIB)
    folder = tmp_path / "node"
    put(folder, [(large.uids, large.sop_class, large.syntax, large.data_set)])
    with ExitStack() as stack:
        port = stack.enter_context(storescp(tmp_path / "scp", "--ignore", "-pdu", "131072"))
        peers = {"SCP": {"host": "127.0.0.1", "port": port}}
        node = stack.enter_context(running_node(folder, {"peers": peers}))
        expect_all(move(node, "SCP", "STUDY", StudyInstanceUID="1.2.3"), [])
        before = peaks(node)
        expect_all(move(node, "SCP", "STUDY", StudyInstanceUID=study("huge")), [1])
        moved = peaks(node)
        asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("huge"))
        client("getscu", node, ["-S", "--ignore", "-pdu", "131072", *asked])
        got = peaks(node)
    grown = [sum(now.values()) - sum(before.values()) for now in (moved, got)]
    assert all(growth < 60 * MIB for growth in grown), [growth // MIB for growth in grown]


# ---- DCMTK


def written(folder: Path) -> dict[str, tuple[str, bytes]]:
    """What DCMTK wrote: the transfer syntax and the data set, by SOP Instance UID."""
    found = {}
    for path in folder.iterdir():
        with path.open("rb") as file:
            meta = part10.read(file)
            found[meta.sop_instance_uid] = (meta.transfer_syntax_uid, file.read())
        path.unlink()
    return found


def expect_plain(arrived: dict[str, tuple[str, bytes]], only: str = "") -> None:
    """The study `plain`: as stored, or all in the transfer syntax `only`."""
    assert arrived.keys() == set(of("plain"))
    for original in (i for i in HELD if i.study == "plain"):
        syntax, data = arrived[original.uids[2]]
        assert syntax == (only or original.syntax)
        assert same(data, syntax, original)
        assert (data == original.data_set) == (syntax == original.syntax)


PLAIN = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("plain"))


@pytest.mark.parametrize(
    ("title", "only"),
    [("SCP ANY", ""), ("SCP IMPLICIT", IMPLICIT), ("SCP LITTLE", ""), ("SCP BIG", "")],
)
def test_movescu_to_storescp(rig: Rig, title: str, only: str) -> None:
    output = client("movescu", rig.node, ["-S", "-aem", title, *PLAIN])
    assert "Received Final Move Response (Success)" in output
    expect_plain(written(rig.storescp[title]), only)


def test_movescu_of_compressed_to_storescp(rig: Rig) -> None:
    sample = next(s for s in COMPRESSED if s.name == "JPEG2000.dcm")
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=sample.uids[0])
    client("movescu", rig.node, ["-S", "-aem", "SCP ANY", *asked])
    expected = {sample.uids[2]: (sample.transfer_syntax_uid, sample.data_set)}
    assert written(rig.storescp["SCP ANY"]) == expected


def test_storescp_that_aborts(rig: Rig) -> None:
    """It takes an instance, and aborts before it answers: one reconnect, then the rest failed."""
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("six"))
    output = client("movescu", rig.node, ["-S", "-d", "-aem", "SCP ABORTS", *asked], code=69)
    assert "OutOfResources" in output
    assert "Failed Suboperations          : 6" in output
    assert len(written(rig.storescp["SCP ABORTS"])) <= 2


@pytest.mark.parametrize(
    ("taken", "proposed", "only"),
    [("+x=", "-x=", ""), ("+xb", "-xb", ""), ("+xi", "-xi", IMPLICIT), ("+xa", "-xd", "")],
)
def test_movescu_as_its_own_destination(
    rig: Rig, tmp_path: Path, taken: str, proposed: str, only: str
) -> None:
    options = ["-S", "-aem", "MOVESCU", "+P", str(rig.movescu_port), taken, proposed, "+B"]
    output = client("movescu", rig.node, [*options, *PLAIN], cwd=tmp_path)
    assert "Received Final Move Response (Success)" in output
    expect_plain(written(tmp_path), only)


def test_movescu_cancels(rig: Rig) -> None:
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("many"))
    with rig.peer.does() as peer:
        output = client("movescu", rig.node, ["-S", "-aem", "PEER", "--cancel", "1", *asked])
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) < 120
    assert "(Cancel: SubOperationsTerminatedDueToCancelIndication)" in output


# What getscu proposes for a class, one context of several transfer syntaxes: the node picks one,
# and it has to be one in which it can send what it holds.
@pytest.mark.parametrize("taken", ["+x=", "+xe", "+xb", "+xi", "+xd", "+xs", "+xv", "+xr", "+xm"])
def test_getscu(rig: Rig, tmp_path: Path, taken: str) -> None:
    output = client("getscu", rig.node, ["-S", taken, "+B", "-od", tmp_path, *PLAIN])
    assert "Received C-GET Response (Success)" in output
    arrived = written(tmp_path)
    assert arrived.keys() == set(of("plain"))
    for original in (i for i in HELD if i.study == "plain"):
        syntax, data = arrived[original.uids[2]]
        assert same(data, syntax, original)
        if syntax == original.syntax:
            assert data == original.data_set


# ---- after all of that


def test_after_all_of_that_the_node_goes_on(rig: Rig) -> None:
    assert rig.node.echoes()
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=CHEST), of("chest"))
        assert peer.inbox.data_sets() == of("chest")
    words = (
        "traceback",
        "internal error",
        "delivery failed",
        "request failed",
        "association broken",
    )
    said = [line for line in rig.node.log if any(w in line.lower() for w in words)]
    assert said == []
