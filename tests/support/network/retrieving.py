"""A node, destinations of many kinds, and what is asked of it by C-MOVE and C-GET."""

import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
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

from storage.dicom import part10
from support import (
    CT,
    ECHO,
    EXPLICIT,
    GET,
    IMPLICIT,
    MOVE,
    Inbox,
    Retrieved,
    RunningNode,
    ct,
    free_port,
    getting,
    identifier,
    running_node,
    samples,
    send,
)
from support.network.destinations import (
    ANY,
    Destination,
    mute,
    storescp,
    stranger,
)

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
    "PATIENT": {"acse_timeout": 600},
    "BRISK": {"dimse_timeout": 600},
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
        tables = {
            "peers": peers, "storage": {"sync": False}, "query": {"hierarchy": "strict"},
        }  # fmt: skip
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


def expect_it_goes_on(rig: Rig) -> None:
    """A node that much was asked of moves as before, and has said nothing of a bug."""
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


services = pytest.mark.parametrize("service", ["move", "get"])

# ---- what is sent

STUDY, SERIES, IMAGE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
CHEST, KNEE, HEAD, TWIN = study("chest"), study("knee"), study("head"), study("twin")
AXIAL, SCOUT = series("axial"), series("scout")
