"""`minipacs conformance`: what it prints, held against a node that serves."""

import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, N_ACTION
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_role
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
    RunningNode,
    StartNode,
    Tables,
    accepted,
    at_rest,
    ct,
    destination,
    encoded,
    find,
    getting,
    identifier,
    next_message,
    retrieved,
    running_node,
    send,
    store_request,
)
from support.checks.printed import Page, Printed, Row, conformance, read

COMMIT, COMMIT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MR, MPEG2 = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.4.100"
PRIVATE, LATER = "1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.999.1"
HELD = "1.2.3"
NODE: dict[str, dict[str, Any]] = {
    "peers": {
        "CT1": {"allow": ["echo", "store"], "from": ["127.0.0.0/8"]},
        "GETS": {"allow": ["get"]},
        "ELSEWHERE": {"from": ["10.0.0.0/8"]},
        "NOWHERE": {"host": "127.0.0.1", "port": 1, "sends": 2},
    },
    "limits": {"pdu_bytes": 65536, "associations": 7, "find_responses": 3},
    "storage": {"on_conflict": "keep"},
    "query": {"hierarchy": "strict"},
}
STORAGE, OTHERS = "Supported content", "DIMSE services"
PARAMETERS = "General association parameters"
ACCEPTED = "Accepted presentation contexts"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("conformance"), NODE) as served:
        yield served


@pytest.fixture(scope="module")
def text(node: RunningNode) -> str:
    done = conformance(node.config)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def printed(text: str) -> Printed:
    return read(text)


# ---- contexts

Asked = tuple[str, str]  # SOP class, transfer syntax


def answered(node: RunningNode, asked: list[Asked], roles: bool = False) -> dict[Asked, Any]:
    """The answer to each context, proposed with one transfer syntax, 128 an association."""
    found = {}
    for start in range(0, len(asked), 128):
        part = asked[start : start + 128]
        items = [build_role(uid, scu_role=True, scp_role=True) for uid in dict(part)]
        association = node.associate(*part, ext_neg=items if roles else [])
        for context in association.accepted_contexts + association.rejected_contexts:
            found[part[((context.context_id or 0) - 1) // 2]] = context
        association.release() if association.is_established else association.abort()
    assert len(found) == len(asked)
    return found


def results(node: RunningNode, asked: list[Asked]) -> dict[Asked, int]:
    return {one: context.result for one, context in answered(node, asked).items()}


def test_every_storage_context_that_is_claimed_is_accepted_in_both_roles(
    node: RunningNode, printed: Printed
) -> None:
    classes, syntaxes = printed.rows(STORAGE), printed.rows("Transfer syntaxes")
    assert len(classes) > 150
    assert len(syntaxes) > 40
    assert {(row["User (SCU)"], row["Provider (SCP)"]) for row in classes} == {("Y", "Y")}
    asked = list(product((row["UID"] for row in classes), (row["UID"] for row in syntaxes)))
    # Seen from the requestor, who proposed both: SCU of what the node is SCP of, and the reverse.
    wrong = {
        one: context.result
        for one, context in answered(node, asked, roles=True).items()
        if (context.result, context.as_scu, context.as_scp) != (0, True, True)
    }
    assert wrong == {}


def test_every_other_context_that_is_claimed_is_accepted(
    node: RunningNode, printed: Printed
) -> None:
    by_name = {row["Transfer syntax"]: row["UID"] for row in printed.rows("Transfer syntaxes")}
    *others, storage = printed.rows(ACCEPTED)
    asked = [
        (row["UID"], by_name[name])
        for row in others
        for name in row["Transfer syntaxes"].split(", ")
    ]
    assert [row["UID"] for row in others] == [row["UID"] for row in printed.rows(OTHERS)]
    assert len(asked) == len(others) * 4
    for one, context in answered(node, asked, roles=True).items():
        # SCP alone, though both was proposed.
        assert (context.result, context.as_scu, context.as_scp) == (0, True, False), one
    assert {row["Role"] for row in others} == {"SCP"}
    assert (storage["Transfer syntaxes"], storage["Role"]) == ("all of 1.8", "SCP, SCU (C-GET)")
    assert printed.numbers["Transfer syntaxes"] == "1.8"


def test_what_is_claimed_without_a_row_is_accepted_too(node: RunningNode, printed: Printed) -> None:
    assert "every later Storage SOP class" in printed.words(STORAGE)
    assert "every private SOP class" in printed.words(STORAGE)
    asked = [(LATER, EXPLICIT), (PRIVATE, EXPLICIT), (PRIVATE, MPEG2)]
    assert results(node, asked) == dict.fromkeys(asked, 0)


def test_no_sop_class_that_is_not_claimed_is_served(node: RunningNode, printed: Printed) -> None:
    claimed = {row["UID"] for row in printed.rows(STORAGE) + printed.rows(OTHERS)}
    asked = [
        (uid, EXPLICIT)
        for uid, entry in UID_dictionary.items()
        if entry[1] in ("SOP Class", "Meta SOP Class") and uid not in claimed
    ]
    names = " ".join(UID_dictionary[uid][0] for uid, _ in asked)
    for name in ("Modality Worklist", "Performed Procedure", "Basic Film Box", "Color Palette"):
        assert name in names
    assert len(asked) > 100
    assert results(node, asked) == dict.fromkeys(asked, 3)  # abstract syntax not supported


def test_no_transfer_syntax_that_is_not_claimed_is_taken(
    node: RunningNode, printed: Printed
) -> None:
    rows = printed.rows("Transfer syntaxes")
    others = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]
    unknown = [*others, "1.2.840.113619.5.2", "1.2.840.10008.1.2.4.999"]
    asked = [(CT, uid) for uid in unknown if uid not in {row["UID"] for row in rows}]
    assert len(asked) > 5
    for_storage_alone = [row["UID"] for row in rows if row["Other services"] == "N"]
    asked += list(product((ECHO, COMMIT, FIND["STUDY"], GET["PATIENT"]), for_storage_alone))
    assert results(node, asked) == dict.fromkeys(asked, 4)  # transfer syntaxes not supported


def test_the_preferred_transfer_syntaxes_are_as_claimed(
    node: RunningNode, printed: Printed
) -> None:
    words = printed.words(ACCEPTED)
    assert "Explicit VR Little Endian before Implicit VR Little Endian" in words
    assert "for C-GET, uncompressed ones before others" in words
    jpeg = "1.2.840.10008.1.2.4.50"
    for proposed, roles, chosen in (
        ([jpeg, IMPLICIT, EXPLICIT], [], jpeg),
        ([IMPLICIT, EXPLICIT], [], EXPLICIT),
        ([jpeg, IMPLICIT, EXPLICIT], [build_role(CT, scp_role=True)], EXPLICIT),
    ):
        with node.association((CT, proposed), ext_neg=roles) as association:
            assert association.accepted_contexts[0].transfer_syntax == [chosen]


def test_a_service_that_is_denied_is_refused_as_claimed(
    node: RunningNode, printed: Printed
) -> None:
    peers = {row["AE title"]: row for row in printed.rows("Known peers")}
    assert peers["CT1"]["May ask for"] == "echo, store"
    assert "user rejection" in printed.words(ACCEPTED)
    association = node.associate(
        (ECHO, EXPLICIT), (CT, EXPLICIT), (FIND["STUDY"], EXPLICIT), (COMMIT, EXPLICIT),
        ae_title="CT1",
    )  # fmt: skip
    contexts = association.accepted_contexts + association.rejected_contexts
    found = {str(context.abstract_syntax): context.result for context in contexts}
    association.release()
    assert found == {ECHO: 0, CT: 0, FIND["STUDY"]: 1, COMMIT: 1}


# ---- associations


def test_the_association_is_as_claimed(node: RunningNode, printed: Printed) -> None:
    claimed = {row["Name"]: row["Value"] for row in printed.rows(PARAMETERS)}
    window, user = AsynchronousOperationsWindowNegotiation(), UserIdentityNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    user.user_identity_type, user.primary_field = 1, b"somebody"
    user.positive_response_requested = True
    with node.association((ECHO, EXPLICIT), ext_neg=[window, user]) as association:
        acceptor = association.acceptor
        assert claimed["Maximum PDU size received"] == f"{acceptor.maximum_length} bytes"
        assert claimed["Implementation Class UID"] == acceptor.implementation_class_uid
        assert claimed["Implementation Version Name"] == acceptor.implementation_version_name
        agreed = ", ".join(map(str, acceptor.asynchronous_operations))
        assert claimed["Asynchronous operations window"] == f"not supported: answered as {agreed}"
        assert acceptor.user_identity is None
        name = acceptor.primitive.application_context_name
        assert claimed["Application Context Name"] == name
    assert claimed["User identity negotiation"] == "accepted and not evaluated"


def refusal(node: RunningNode, **options: str) -> tuple[str, ...]:
    """Result, source and reason of an A-ASSOCIATE-RJ."""
    association = node.associate((ECHO, EXPLICIT), **options)
    assert association.is_rejected
    found = association.acceptor.primitive
    return str(found.result), str(found.result_source), str(found.diagnostic)


def test_as_many_associations_are_open_at_once_as_claimed(
    node: RunningNode, printed: Printed
) -> None:
    claimed = {row["Name"]: row["Value"] for row in printed.rows(PARAMETERS)}
    with ExitStack() as stack:
        for _ in range(int(claimed["Maximum number of associations accepted"])):
            stack.enter_context(node.association((ECHO, EXPLICIT)))
        assert refusal(node) == ("2", "3", "2")


def test_associations_are_rejected_as_claimed(
    node: RunningNode, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = {
        (row["Result"][0], row["Source"][0], row["Reason"][0]): row["When"]
        for row in printed.rows("Rejected associations")
    }
    found = {refusal(node, called="OTHER"), refusal(node, ae_title="ELSEWHERE")}
    monkeypatch.setattr("pynetdicom.acse.APPLICATION_CONTEXT_NAME", "1.2.840.10008.3.1.1.9")
    found.add(refusal(node))
    assert set(claimed) == {*found, ("2", "3", "2")}  # the limit has a test of its own
    assert "called AE title" in claimed["1", "1", "7"]
    assert "application context" in claimed["1", "1", "2"]


def test_silence_ends_as_claimed(start_node: StartNode) -> None:
    node = start_node(limits={"acse_timeout": 0.5, "network_timeout": 1})
    rows = read(conformance(node.config).stdout).rows("As association acceptor")
    claimed = {row["Failure"]: row["Behaviour"] for row in rows}
    assert claimed["no A-ASSOCIATE-RQ within 0.5 s"] == "the connection is closed"
    assert claimed["nothing heard for 1 s"] == "A-ABORT"
    association = node.associate((ECHO, EXPLICIT))
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", node.port), START_SECONDS) as silent:
        assert silent.recv(1) == b""
    assert 0.4 < time.monotonic() - began < START_SECONDS
    association.join(START_SECONDS)
    assert association.is_aborted
    assert 0.9 < time.monotonic() - began < START_SECONDS


# ---- keys

# By the kind of matching: a key that finds the value, and one that does not.
Kinds = dict[str, tuple[object, object]]
_WORDS: Kinds = {"wildcard": ("Al?ha*", "Om*"), "case": ("aLPHA", "")}
_NUMBERS: Kinds = {}
# By VR: a value, another one, and keys.
VALUES: dict[str, tuple[object, object, Kinds]] = {
    "AE": ("ALPHA", "OMEGA", {"wildcard": ("A?PHA*", "O*"), "case": ("Alpha", "")}),
    "AS": ("030Y", "031Y", {"wildcard": ("03*", ""), "case": ("030y", "")}),
    "AT": (0x00100020, 0x00100010, _NUMBERS),
    "CS": ("ALPHA", "OMEGA", {"wildcard": ("A?PHA*", "O*"), "case": ("Alpha", "")}),
    "DA": ("20240131", "20240201",
           {"range": ("20240101-20240131", "20240201-"), "wildcard": ("2024*", "")}),
    "DS": ("1.5", "2.5", _NUMBERS),
    "DT": ("20240131101500", "20240201",
           {"range": ("20240101-20240131", "-2024013009"), "wildcard": ("2024*", "")}),
    "FD": (1.5, 2.5, _NUMBERS),
    "FL": (1.5, 2.5, _NUMBERS),
    "IS": ("7", "8", _NUMBERS),
    "LO": ("Alpha", "Omega", _WORDS),
    "LT": ("Alpha", "Omega", _WORDS),
    "PN": ("Alpha^Beta", "Omega", {"wildcard": ("Al?ha*", "Om*"), "case": ("aLPHA^bETA", "")}),
    "SH": ("Alpha", "Omega", _WORDS),
    "SL": (-7, 8, _NUMBERS),
    "SS": (-7, 8, _NUMBERS),
    "ST": ("Alpha", "Omega", _WORDS),
    "SV": (-7, 8, _NUMBERS),
    "TM": ("101500", "101600", {"range": ("10-1015", "1016-"), "wildcard": ("10*", "")}),
    "UC": ("Alpha", "Omega", _WORDS),
    "UI": (HELD, "1.2.4", {"list of UID": (f"9.9\\{HELD}", "9.9\\9.8"), "wildcard": ("1.2*", "")}),
    "UL": (7, 8, _NUMBERS),
    "UR": ("http://Alpha", "http://Omega",
           {"wildcard": ("http:*lph?", "Om*"), "case": ("http://aLPHA", "")}),
    "US": (7, 8, _NUMBERS),
    "UT": ("Alpha", "Omega", _WORDS),
    "UV": (7, 8, _NUMBERS),
}  # fmt: skip
# What the data set has of its own.
_CLASS: tuple[object, object, Kinds] = (CT, MR, {"list of UID": (f"{MR}\\{CT}", f"{MR}\\9.8")})
FIXED = {"SOPClassUID": _CLASS, "SOPClassesInStudy": _CLASS, "ModalitiesInStudy": VALUES["CS"]}
UPPER = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID",
         "IMAGE": "SOPInstanceUID"}  # fmt: skip
LEVELS = list(UPPER)
MODELS = {"PATIENT": LEVELS, "STUDY": LEVELS[1:], "PATIENT_STUDY_ONLY": LEVELS[:2]}
HEADER = {vr: f"Selector{vr}Value" for vr in VALUES}  # no column serves these


def claimed_keys(printed: Printed) -> list[tuple[str, Row]]:
    return [(level, row) for level in LEVELS for row in printed.rows(f"Keys at {level} level")]


def values_of(row: Row) -> tuple[object, object, Kinds]:
    return FIXED.get(row["Attribute"]) or VALUES[row["VR"]]


@pytest.fixture(scope="module")
def filled(node: RunningNode, printed: Printed) -> RunningNode:
    """The node with an instance that has a value for every attribute that is claimed."""
    held = ct(HELD, HELD, HELD)
    for _, row in claimed_keys(printed):
        if row["Attribute"] in FIXED or row["Matching"] == "-":
            continue
        sequence, _, name = row["Attribute"].rpartition(">")
        if sequence and sequence not in held:
            setattr(held, sequence, [Dataset()])
        target = held[sequence].value[0] if sequence else held
        setattr(target, name, values_of(row)[0])
    for vr, name in HEADER.items():
        setattr(held, name, VALUES[vr][0])
    held.private_block(0x0099, "SOMEBODY", create=True).add_new(1, "LO", "Alpha")
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, HELD, encoded(held)).Status == 0
    return node


def key(name: str, value: object) -> dict[str, object]:
    sequence, _, inner = name.rpartition(">")
    return {sequence: [identifier(None, **{inner: value})]} if sequence else {name: value}


def several(*values: object) -> object:
    """A key that is a list of values."""
    return "\\".join(map(str, values)) if isinstance(values[0], str) else list(values)


def tries(
    row: Row, case_counts: str, held: object, other: object, kinds: Kinds
) -> Iterator[tuple[str, object, int]]:
    """Keys for each kind of matching, claimed or not, and how many entities each has to find."""
    for kind in row["Matching"].split(", "):
        if kind == "single value":
            yield from ((kind, held, 1), (kind, other, 0))
        elif kind == "universal":
            yield kind, "", 1
        elif kind == "list of values":
            yield from ((kind, several(other, held), 1), (kind, several(other, other), 0))
        else:
            yield from ((kind, kinds[kind][0], 1), (kind, kinds[kind][1], 0))
    if "wildcard" in kinds and "wildcard" not in row["Matching"]:
        yield "wildcard, unclaimed", kinds["wildcard"][0], 0
    if "case" in kinds:
        yield "case", kinds["case"][0], {"Y": 0, "N": 1}[case_counts]


def number_found(
    association: Association, model: str, level: str, wanted: dict[str, object]
) -> int:
    above = MODELS[model][: MODELS[model].index(level)]
    upper = {UPPER[one]: VALUES["LO" if one == "PATIENT" else "UI"][0] for one in above}
    found, final = find(association, FIND[model], level, **{**upper, **wanted})
    assert final.Status == 0
    return len(found)


@pytest.mark.parametrize("model", list(MODELS))
def test_every_key_that_is_claimed_matches_in_every_way_that_is_claimed(
    filled: RunningNode, printed: Printed, model: str
) -> None:
    case_counts = {row["VR"]: row["Case counts"] for row in printed.rows("Matching", 1)}
    models = {r["UID"]: r["Levels"] for r in printed.rows("Query/Retrieve information models")}
    assert models[FIND[model]].split(", ") == MODELS[model]
    wrong, tried = [], 0
    with filled.association((FIND[model], EXPLICIT)) as association:
        for level, row in claimed_keys(printed):
            name = row["Attribute"]
            # A model begins with the attributes of the levels above its first.
            asked_at = max(level, MODELS[model][0], key=LEVELS.index)
            # Below the study the other models are as the first.
            if level not in LEVELS[:2] and model != "PATIENT":
                continue
            if row["Matching"] == "-":
                assert number_found(association, model, asked_at, key(name, "")) == 1
                continue
            for kind, value, wanted in tries(row, case_counts[row["VR"]], *values_of(row)):
                tried += 1
                if number_found(association, model, asked_at, key(name, value)) != wanted:
                    wrong.append((asked_at, name, kind, value))
    assert wrong == []
    assert tried > 100


@pytest.mark.parametrize("level", ["STUDY", "IMAGE"])
def test_every_other_key_matches_by_vr_as_claimed(
    filled: RunningNode, printed: Printed, level: str
) -> None:
    rows = printed.rows("Matching", 1)
    assert {row["VR"] for row in rows} == set(VALUES)
    wrong = []
    with filled.association((FIND["STUDY"], EXPLICIT)) as association:
        for row in rows:
            held, other, kinds = VALUES[row["VR"]]
            assert (row["Case counts"] != "-") == ("case" in kinds)
            for kind, value, wanted in tries(row, row["Case counts"], held, other, kinds):
                asked = {HEADER[row["VR"]]: value}
                if number_found(association, "STUDY", level, asked) != wanted:
                    wrong.append((row["VR"], kind, value))
    assert wrong == []


def test_private_keys_match_and_bulk_data_does_not_as_claimed(
    filled: RunningNode, printed: Printed
) -> None:
    words = printed.words("Other keys")
    assert "private ones by their creator" in words
    assert "Only of VR OB, OD, OF, OL, OV, OW, UN none is" in words
    assert "FF01" in words
    with filled.association((FIND["STUDY"], EXPLICIT)) as association:
        for value, wanted in (("Alpha", 1), ("Al*", 1), ("Omega", 0)):
            query = identifier("STUDY")
            query.private_block(0x0099, "SOMEBODY", create=True).add_new(1, "LO", value)
            statuses = [s.Status for s, _ in association.send_c_find(query, FIND["STUDY"])]
            assert statuses == [0xFF00] * wanted + [0]
        query = identifier("IMAGE", StudyInstanceUID=HELD, SeriesInstanceUID=HELD)
        query.EncapsulatedDocument = b"12"  # OB
        statuses = [s.Status for s, _ in association.send_c_find(query, FIND["STUDY"])]
        assert statuses == [0xFF01, 0]


# ---- extended negotiation


def offer(sop_class: str, options: bytes) -> list[SOPClassExtendedNegotiation]:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = sop_class, options
    return [item]


@pytest.mark.parametrize("service", ["C-FIND", "C-MOVE", "C-GET"])
def test_extended_negotiation_is_answered_as_claimed(
    node: RunningNode, printed: Printed, service: str
) -> None:
    claimed = [row for row in printed.rows("Extended negotiation") if row["Service"] == service]
    assert [row["Byte"] for row in claimed] == [str(n + 1) for n in range(len(claimed))]
    agreed = bytes(row["Supported"] == "Y" for row in claimed)
    for sop_class in {"C-FIND": FIND, "C-MOVE": MOVE, "C-GET": GET}[service].values():
        for length in (1, len(claimed), len(claimed) + 1):
            items = offer(sop_class, b"\1" * length)
            with node.association((sop_class, EXPLICIT), ext_neg=items) as association:
                assert association.acceptor.sop_class_extended == {sop_class: agreed[:length]}


# By what is negotiated: a query, and how many it finds with and without; None where it is refused.
NEGOTIATED: dict[str, tuple[str, dict[str, object], int, int | None]] = {
    "relational": ("IMAGE", {"SOPInstanceUID": HELD}, 1, None),
    "date time": ("STUDY", {"StudyDate": "20240130-20240201", "StudyTime": "110000-090000"}, 1, 0),
    "fuzzy names": ("STUDY", {"PatientName": "Alfa"}, 1, 0),
    "empty value": ("STUDY", {"RequestingService": '""'}, 1, 0),
    "multiple values": ("STUDY", {"StudyID": "Alpha\\Omega"}, 0, 1),
}


@pytest.mark.parametrize("name", NEGOTIATED)
def test_what_extended_negotiation_claims_is_done(
    filled: RunningNode, printed: Printed, name: str
) -> None:
    rows = {r["What"]: r for r in printed.rows("Extended negotiation") if r["Service"] == "C-FIND"}
    assert {what for what, row in rows.items() if row["Supported"] == "Y"} == set(NEGOTIATED)
    level, keys, with_it, without = NEGOTIATED[name]
    asked = bytearray(len(rows))
    asked[int(rows[name]["Byte"]) - 1] = 1
    model = FIND["STUDY"]
    keys = {"StudyInstanceUID": "" if level == "IMAGE" else HELD, **keys}
    with filled.association((model, EXPLICIT), ext_neg=offer(model, bytes(asked))) as association:
        found, final = find(association, model, level, **keys)
        assert (final.Status, len(found)) == (0, with_it)
    with filled.association((model, EXPLICIT)) as association:
        found, final = find(association, model, level, **keys)
        assert (final.Status, len(found)) == ((0xA900, 0) if without is None else (0, without))


@pytest.mark.parametrize("negotiated", [True, False])
def test_relational_retrieves_are_as_claimed(filled: RunningNode, negotiated: bool) -> None:
    model, inbox = GET["STUDY"], Inbox()
    contexts = [(model, EXPLICIT), (CT, EXPLICIT)]
    options = getting(inbox, contexts)
    options["ext_neg"] += offer(model, b"\1") if negotiated else []
    with filled.association(*contexts, **options) as association:
        query = identifier("IMAGE", SOPInstanceUID=HELD)
        status = retrieved(association.send_c_get(query, model)).status
    assert (status, len(inbox.take_all())) == ((0, 1) if negotiated else (0xA900, 0))


@pytest.mark.parametrize("hierarchy", ["lenient", "strict"])
def test_which_hierarchy_is_in_force_is_said_and_done(tmp_path: Path, hierarchy: str) -> None:
    with running_node(tmp_path / "node", {"query": {"hierarchy": hierarchy}}) as node:
        told = read(conformance(node.config).stdout)
        with node.association((FIND["STUDY"], EXPLICIT)) as association:
            _, final = find(association, FIND["STUDY"], "series", SeriesInstanceUID="1.2")
    is_lenient = hierarchy == "lenient"
    assert (final.Status == 0x0000) is is_lenient
    for section in ("SCP of C-FIND", "SCP of C-MOVE and C-GET"):
        assert ('hierarchy = "lenient"' in told.words(section)) is is_lenient


# ---- transfer syntaxes sent

PLAIN = (EXPLICIT, IMPLICIT, str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian))


def test_what_is_stored_is_sent_converted_as_claimed(node: RunningNode, printed: Printed) -> None:
    by_name = {row["Transfer syntax"]: row for row in printed.rows("Transfer syntaxes")}
    claimed = {
        row["Stored transfer syntax"]: row["Sent as, if not as stored"]
        for row in printed.rows("Transcoding of transfer syntaxes")
    }
    assert set(claimed) == set(by_name)
    for name, sent_as in claimed.items():
        assert (sent_as != "-") == (by_name[name]["Can be converted"] == "Y")
    wanted, found = set(), set()
    for number, syntax in enumerate([*PLAIN, MPEG2]):
        uid = f"1.8.{number}"
        data = in_syntax(ct("1.8", "1.8", uid), syntax)
        with node.association((CT, syntax)) as association:
            assert send(association, CT, uid, data, syntax).Status == 0
        name = next(name for name, row in by_name.items() if row["UID"] == syntax)
        targets = [one for one in claimed[name].split(", ") if one != "-"]
        wanted |= {(syntax, by_name[one]["UID"]) for one in targets}
        found |= {(syntax, one) for one in PLAIN if one != syntax and gets(node, uid, one)}
    assert found == wanted


def in_syntax(data_set: Dataset, syntax: str) -> bytes:
    """Encoded in an uncompressed transfer syntax; in any other as if it were explicit VR."""
    out = DicomBytesIO()
    out.is_implicit_VR = syntax == IMPLICIT
    out.is_little_endian = syntax != ExplicitVRBigEndian
    write_dataset(out, data_set)
    data = out.getvalue()
    if syntax != DeflatedExplicitVRLittleEndian:
        return data
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def gets(node: RunningNode, uid: str, syntax: str) -> bool:
    """Whether C-GET gives an instance back in this transfer syntax alone."""
    inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, syntax)]
    query = identifier("IMAGE", StudyInstanceUID="1.8", SeriesInstanceUID="1.8", SOPInstanceUID=uid)
    with node.association(*contexts, **getting(inbox, contexts)) as association:
        status = retrieved(association.send_c_get(query, GET["STUDY"])).status
    arrived = inbox.take_all()
    assert status == (0 if arrived else 0xA702)
    return bool(arrived)


# ---- statuses

SERVICES = {
    "C-ECHO": ECHO, "C-STORE": CT, "C-FIND": FIND["STUDY"], "C-MOVE": MOVE["STUDY"],
    "C-GET": GET["STUDY"], "N-ACTION": COMMIT,
}  # fmt: skip
TITLES = {
    **{service: f"Statuses of {service}" for service in SERVICES},
    "N-ACTION": "Statuses of N-ACTION, Storage Commitment Push Model SOP Class",
}
# What other tests have the node answer: it takes faults of the disk, or the right moment.
NOT_PROVOKED = {
    "C-ECHO": {"0110"},
    "C-STORE": {"0110", "A700"},
    "C-FIND": {"0110", "FE00"},
    "C-MOVE": {"0110", "A701", "FE00"},
    "C-GET": {"0110", "A701", "FE00"},
    "N-ACTION": {"0110", "0213"},
}
GARBAGE = b"\x08\x00\x05\x00CS\xff\x00ISO"


def query(level: str = "STUDY", **values: str) -> bytes:
    return encoded(identifier(level, **values))


def reference(transaction: str = "1.9.1", count: int = 1) -> bytes:
    information = Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [Dataset() for _ in range(count)]
    for item in information.ReferencedSOPSequence:
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.7.1"
    return encoded(information)


def request(service: str, named: str, data: bytes, **values: Any) -> Any:
    """A request of a service, whatever SOP class it names."""
    if service == "C-STORE":
        return store_request(named, values.get("instance", "1.7.1"), data)
    made: Any = {
        "C-ECHO": C_ECHO, "C-FIND": C_FIND, "C-MOVE": C_MOVE, "C-GET": C_GET, "N-ACTION": N_ACTION,
    }[service]()  # fmt: skip
    made.MessageID = 1
    if service == "N-ACTION":
        made.RequestedSOPClassUID = named
        made.RequestedSOPInstanceUID = values.get("instance", COMMIT_INSTANCE)
        made.ActionTypeID = values.get("action", 1)
        made.ActionInformation = BytesIO(data)
        return made
    made.AffectedSOPClassUID = named
    if service != "C-ECHO":
        made.Priority, made.Identifier = 2, BytesIO(data)
    if service == "C-MOVE":
        made.MoveDestination = values.get("to", "NOWHERE")
    return made


def statuses(association: Association, context: str, sent: Any) -> set[str]:
    """The statuses of all responses to a request on a presentation context."""
    found, last = set[str](), "FF00"
    with at_rest(association):
        association.dimse.send_msg(sent, accepted(association, context, EXPLICIT))
        while last in ("FF00", "FF01"):
            response = next_message(association)
            assert response, "no response, or the association was aborted"
            last = f"{response.Status:04X}"
            found.add(last)
    return found


# Requests that bring out one status or more; `1.7.1` to `1.7.4` are held, each a study.
PROVOKED: list[tuple[str, bytes, dict[str, Any]]] = [
    ("C-ECHO", b"", {}),
    ("C-STORE", encoded(ct("1.7.1", "1.7.1", "1.7.1")), {}),
    ("C-STORE", encoded(ct("1.7.1", "1.7.1", "1.7.1", PatientID="OTHER")), {}),  # B006
    ("C-STORE", encoded(ct("1.7.1", "1.7.1", "1.7.2")), {}),  # A900
    ("C-STORE", GARBAGE, {}),  # C000
    ("C-FIND", query(StudyInstanceUID="1.7.1"), {}),
    ("C-FIND", query(StudyInstanceUID="1.7.1", SeriesInstanceUID="1.7.1"), {}),  # FF01
    ("C-FIND", query(), {}),  # A700, of [limits] find_responses
    ("C-FIND", query("PLANET"), {}),  # A900
    ("C-FIND", GARBAGE, {}),  # C000
    ("C-MOVE", query(StudyInstanceUID="9.9"), {}),  # 0000, none matched
    ("C-MOVE", query(StudyInstanceUID="1.7.1"), {}),  # A702
    ("C-MOVE", query(StudyInstanceUID="1.7.1"), {"to": "NOBODY"}),  # A801
    ("C-MOVE", query(), {}),  # A900
    ("C-MOVE", GARBAGE, {}),  # C000
    ("C-MOVE", query(StudyInstanceUID="1.7.1\\1.7.2"), {"to": "INBOX"}),  # FF00, B000
    ("C-GET", query(StudyInstanceUID="9.9"), {}),  # 0000, none matched
    ("C-GET", query(StudyInstanceUID="1.7.1"), {}),  # A702: no context for CT
    ("C-GET", query(), {}),  # A900
    ("C-GET", GARBAGE, {}),  # C000
    ("N-ACTION", reference(count=0), {}),  # 0115
    ("N-ACTION", reference(), {"instance": "1.2.3"}),  # 0112
    ("N-ACTION", reference(), {"action": 2}),  # 0123
    *(
        (service, query(), {"sop_class": MR}) for service in SERVICES if service != "C-STORE"
    ),  # 0122
    *((service, query(), {"sop_class": ECHO, "context": ECHO}) for service in SERVICES),  # 0211
    ("C-ECHO", b"", {"sop_class": FIND["STUDY"], "context": FIND["STUDY"]}),  # 0211
]
OTHER_CONTENT = request("C-STORE", CT, encoded(ct("1.7.1", "1.7.1", "1.7.1", PatientID="THIRD")))


def test_the_statuses_that_are_answered_are_those_that_are_claimed(start_node: StartNode) -> None:
    found: dict[str, set[str]] = {service: set() for service in SERVICES}
    with destination("INBOX") as (inbox, port):
        inbox.statuses["1.7.2"] = 0xA700
        tables: dict[str, dict[str, Any]] = {
            **NODE, "peers": {**NODE["peers"], "INBOX": {"host": "127.0.0.1", "port": port}},
        }  # fmt: skip
        node = start_node(**tables)
        contexts = [(uid, EXPLICIT) for uid in SERVICES.values()]
        with node.association(*contexts) as association:
            for uid in ("1.7.1", "1.7.2", "1.7.3", "1.7.4"):
                assert send(association, CT, uid, encoded(ct(uid, uid, uid))).Status == 0
            for service, data, values in PROVOKED:
                named = values.get("sop_class", SERVICES[service])
                context = values.get("context", SERVICES[service])
                sent = request(service, named, data, **values)
                found[service] |= statuses(association, context, sent)
        with node.association((COMMIT, EXPLICIT)) as association:  # a report comes on it
            sent = request("N-ACTION", COMMIT, reference())
            found["N-ACTION"] |= statuses(association, COMMIT, sent)
        as_scp = [build_role(CT, scp_role=True)]
        with node.association((CT, EXPLICIT), ae_title="GETS", ext_neg=as_scp) as association:
            found["C-STORE"] |= statuses(association, CT, OTHER_CONTENT)  # 0124
        found["C-GET"] |= got(node)
        node.configure({**tables, "storage": {"on_conflict": "refuse"}})
        node.reload()
        with node.association((CT, EXPLICIT)) as association:
            found["C-STORE"] |= statuses(association, CT, OTHER_CONTENT)  # 0111
        printed = read(conformance(node.config).stdout)
    claimed = {
        service: {row["Status"] for row in printed.rows(title)} for service, title in TITLES.items()
    }
    assert found == {service: claimed[service] - NOT_PROVOKED[service] for service in SERVICES}
    assert all(NOT_PROVOKED[service] <= claimed[service] for service in SERVICES)


def got(node: RunningNode) -> set[str]:
    """The statuses of a C-GET of which one sub-operation fails."""
    inbox, contexts = Inbox(statuses={"1.7.2": 0xA700}), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with node.association(*contexts, **getting(inbox, contexts)) as association:
        asked = identifier("STUDY", StudyInstanceUID="1.7.1\\1.7.2")
        answers = list(association.send_c_get(asked, GET["STUDY"]))
    return {f"{status.Status:04X}" for status, _ in answers}


# ---- the configuration


def test_the_overview_is_of_what_the_sections_say(printed: Printed) -> None:
    roles = {row["UID"]: row for row in printed.rows(OTHERS)}
    assert {uid for uid, row in roles.items() if row["User (SCU)"] == "Y"} == {ECHO, COMMIT}
    assert {row["Provider (SCP)"] for row in roles.values()} == {"Y"}
    initiated = {row["Content"]: row["Role"] for row in printed.rows("Association initiation")}
    assert initiated == {
        "C-STORE requests": "SCU", "N-EVENT-REPORT request": "SCP", "C-ECHO request": "SCU",
        "N-ACTION request of storage commitment": "SCU", "C-FIND request": "SCU",
        "N-CREATE request of Instance Availability Notification": "SCU",
    }  # fmt: skip
    assert printed.words("Print Management service") == "Not supported."
    off = "Supported where `[worklist]` is configured, which it is not."
    for title in ("Basic Worklist Management service",
                  "Modality Performed Procedure Step service"):  # fmt: skip
        assert printed.words(title) == off


def test_the_sections_are_those_of_the_template(printed: Printed, text: str) -> None:
    first = {number: title for title, number in printed.numbers.items() if "." not in number}
    assert first == {
        "1": "Overview", "2": "Table of contents", "3": "Introduction", "4": "Implementation model",
        "5": "Service and interoperability description", "6": "Configuration",
        "7": "Network and media communication details", "8": "Security",
    }  # fmt: skip
    listed = [line.strip() for line in text.splitlines() if line.strip().startswith("- ")]
    assert listed == [
        f"- {number} {title}" for title, number in printed.numbers.items() if number.count(".") < 3
    ]


def test_what_is_in_force_is_told_and_nothing_else(node: RunningNode, printed: Printed) -> None:
    rows = {row["Key"]: row for row in printed.rows("General configuration parameters")}
    for key_, wanted in {
        "[limits] pdu_bytes": ("1048576", "65536"),
        "[limits] associations": ("100", "7"),
        "[storage] on_conflict": ("replace", "keep"),
        "[access] any_peer": ("true", "true"),
        "[node] port": ("11112", "0"),
        "[tls] certificate": ("none", "-"),
    }.items():
        assert (rows[key_]["Default"], rows[key_]["In force"]) == wanted
    peers = {row["AE title"]: row for row in printed.rows("Known peers")}
    assert list(peers) == list(NODE["peers"])
    assert "None is configured" in printed.words("Secure transport")
    ports = printed.rows("TCP port configuration")
    assert [(row["Address"], row["What"]) for row in ports] == [
        ("127.0.0.1:0", "DICOM, not encrypted")
    ]
    assert peers["CT1"]["May call from"] == "127.0.0.0/8"
    assert peers["NOWHERE"]["Address"] == "127.0.0.1:1"
    assert peers["NOWHERE"]["Associations opened"] == "2"
    assert "A query that more than 3 match ends in A700." in printed.words("SCP of C-FIND")


PORTS = {
    "closed": [("127.0.0.1:0", "DICOM, not encrypted"), ("127.0.0.1:2762", "DICOM over TLS")],
    "careless": [("127.0.0.1:0", "DICOM over TLS")],
}
SAYS: dict[str, tuple[Tables, dict[str, str]]] = {
    "closed": (
        {
            "node": {"ae_title": "ELSE"},
            "access": {"any_peer": False},
            "storage": {"on_conflict": "refuse", "charset": "ISO_IR 144"},
            "tls": {
                "certificate": "a",
                "key": "b",
                "ca": "c",
                "require_client": True,
                "port": 2762,
            },
            "audit": {"files": 3},
            "peers": {
                "A": {"pdu_bytes": 8192, "transfer_syntaxes": ["ExplicitVRLittleEndian"]},
            },
        },
        {
            "Who may do what": "name `ELSE` as the called AE title. Only AE titles that are "
            "configured may call",
            "SCP of the Storage SOP classes": "`on_conflict` is `refuse`: the old one stays, and "
            "the new one is refused: 0111.",
            "Use of Specific Character Sets": "Text that names none is taken for ISO_IR 144",
            "Secure transport": "A caller has to show a certificate",
            "Audit trail": "3 files of",
            "Known peers": "`A`: transfer syntaxes offered to it: 1.2.840.10008.1.2.1.",
        },
    ),
    "careless": (
        {
            "access": {"any_called_title": True},
            "storage": {"sync": False},
            "tls": {"certificate": "a", "key": "b", "profile": "bcp195-modified"},
            "audit": {"enabled": False},
        },
        {
            "Who may do what": "Any called AE title is taken.",
            "SCP of the Storage SOP classes": "`on_conflict` is `replace`: the new one takes its "
            "place, and the old one is kept aside: 0000. Of replaced versions 32 of one instance "
            "and 10 % of the disk are kept; where no older one may be deleted (the first, and "
            "those of the last day, may not) the answer is A700, and the version that is held "
            "stays. Success is answered when the instance can be found by C-FIND, and its file "
            "has been written (`sync` is false).",
            "Known peers": "None.",
            "Secure transport": "(PS3.15 B.13), TLS 1.2 and 1.3. A caller is asked for no "
            "certificate.",
            "Audit trail": "Switched off.",
        },
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_the_statement_follows_the_configuration(
    tmp_path: Path, printed: Printed, name: str
) -> None:
    tables, said = SAYS[name]
    found = read(conformance(RunningNode(tmp_path, tables).config).stdout)
    ports = [(row["Address"], row["What"]) for row in found.rows("TCP port configuration")]
    assert ports == PORTS[name]
    for title, words in said.items():
        assert words in found.words(title)
        assert words not in printed.words(title)


# ---- the command


def test_html_says_the_same_in_a_file_and_needs_nothing_else(
    node: RunningNode, printed: Printed, tmp_path: Path
) -> None:
    done = conformance(node.config, "--html", "-o", str(tmp_path / "page"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    page = Page((tmp_path / "page").read_text("utf-8"))
    titles = [f"{number} {title}" for title, number in printed.numbers.items()]
    assert page.headings == ["DICOM Conformance Statement of minipacs as MINIPACS", *titles]
    tables = [table for tables in printed.tables.values() for table in tables]
    cells = [cell for rows in tables for cell in (*rows[0], *(c for r in rows for c in r.values()))]
    assert page.cells == [cell.replace("`", "") for cell in cells]
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    anchors = {value for name, value in page.attributes if name == "id"}
    links = {(value or "")[1:] for name, value in page.attributes if name == "href"}
    assert links
    assert links <= anchors
    assert "src" not in dict(page.attributes)


@pytest.mark.parametrize(("options", "words"), [
    (("--pdf",), "No such option"),
    (("-c", "no.such.file"), "--config: is given twice, and takes one value"),
    (("-o", "/nowhere/page"), "/nowhere/page: cannot be written: No such file or directory"),
])  # fmt: skip
def test_wrong_usage_is_told(node: RunningNode, options: tuple[str, ...], words: str) -> None:
    done = conformance(node.config, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_wrong_configuration_is_told(tmp_path: Path) -> None:
    config = RunningNode(tmp_path, {"limits": {"pdu_bytes": 1}}).config
    done = conformance(config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[limits] pdu_bytes: takes an integer from 4096" in done.stderr
