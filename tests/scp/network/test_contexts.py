"""SOP classes and transfer syntaxes: what is accepted, refused, and in which roles."""

from itertools import product

import pytest
from pydicom.uid import UID
from pynetdicom import sop_class
from pynetdicom.presentation import PresentationContext, build_context
from support import CT, ECHO, EXPLICIT, FIND, GET, IMPLICIT, MOVE

from scp.config.choices import Service
from scp.network.association.access import EVERYTHING
from scp.network.dimse.sop_classes import (
    ACCEPTED,
    MODALITY_WORKLIST,
    NO_ABSTRACT_SYNTAX,
    NO_TRANSFER_SYNTAX,
    PERFORMED_STEP,
    PERFORMED_STEP_RETRIEVE,
    QUERY_RETRIEVE,
    STORAGE_COMMITMENT,
    STORAGE_SYNTAXES,
    UNCOMPRESSED_SYNTAXES,
    USER_REJECTION,
    Roles,
    granted_roles,
    is_storage,
    negotiate,
    service_of,
)
from storage import Root

VIDEO, MPEG2 = "1.2.840.10008.5.1.4.1.1.77.1.1.1", "1.2.840.10008.1.2.4.100"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
UNKNOWN_SYNTAX = "1.2.840.10008.1.2.4.999"
PRIVATE_SYNTAX = "1.2.840.113619.5.2"
PRIVATE = "1.3.12.2.1107.5.9.1"  # Siemens CSA Non-Image Storage
RELEVANT_PATIENT = "1.2.840.10008.5.1.4.37.1"  # General Relevant Patient Information Query
STORAGE_CLASSES = dict(sop_class._STORAGE_CLASSES)
NON_PATIENT = dict(sop_class._NON_PATIENT_OBJECT_CLASSES)
NO_RIGHTS: frozenset[Service] = frozenset()


# ---- transfer syntaxes


@pytest.mark.parametrize("syntax", [
    IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG, JPEG_2000,
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81",  # JPEG-LS
    "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.107",  # video
    "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112",  # JPEG XL
    "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95",  # JPIP
], ids=lambda uid: UID(uid).name)  # fmt: skip
def test_a_syntax_of_data_sets_is_stored(syntax: str) -> None:
    assert syntax in STORAGE_SYNTAXES


@pytest.mark.parametrize("syntax", [
    "1.2.840.10008.1.2.6.1",  # RFC 2557 MIME encapsulation
    "1.2.840.10008.1.2.6.2",  # XML encoding
    "1.2.840.10008.1.2.7.1", "1.2.840.10008.1.2.7.2", "1.2.840.10008.1.2.7.3",  # SMPTE ST 2110
    "1.2.840.10008.1.20",  # Papyrus 3
    UNKNOWN_SYNTAX, PRIVATE_SYNTAX, ECHO, CT, "", "1.2.840.10008.1.2.",
])  # fmt: skip
def test_what_is_no_syntax_of_data_sets_is_not(syntax: str) -> None:
    assert syntax not in STORAGE_SYNTAXES


def test_identifiers_are_never_compressed() -> None:
    assert {IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED} == UNCOMPRESSED_SYNTAXES


# ---- SOP classes


@pytest.mark.parametrize("name", STORAGE_CLASSES)
def test_a_storage_class_of_the_standard_is_storage(name: str) -> None:
    assert is_storage(STORAGE_CLASSES[name]) is (name not in NON_PATIENT)


@pytest.mark.parametrize("uid", [
    PRIVATE, "1.2.840.113619.4.2", "2.25.1", "1.2.3",
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame Image Storage (Retired)
    "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine Image Storage (Retired)
    "1.2.840.10008.5.1.4.1.1.999",  # newer than the tables
    "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction Storage
])  # fmt: skip
def test_private_retired_and_newer_classes_are_storage(uid: str) -> None:
    assert is_storage(uid)
    assert service_of(uid) is Service.STORE


@pytest.mark.parametrize("uid", [
    ECHO, STORAGE_COMMITMENT, RELEVANT_PATIENT, *FIND.values(), *MOVE.values(), *GET.values(),
    *NON_PATIENT.values(),
    "1.2.840.10008.1.3.10",  # Media Storage Directory
    "1.2.840.10008.1.9",  # Basic Study Content Notification (Retired)
    "1.2.840.10008.3.1.2.3.3",  # Modality Performed Procedure Step
    "1.2.840.10008.5.1.1.9",  # Basic Grayscale Print Management
    "1.2.840.10008.5.1.4.32", "1.2.840.10008.5.1.4.33",  # instance availability, and above it
    "1.2.840.10008.5.1.4.34.6.1",  # Unified Procedure Step - Push
    "1.2.840.10008.5.1.4.1.2.4.2", "1.2.840.10008.5.1.4.1.2.5.3",  # composite instance retrieve
    "1.2.840.10008.5.1.4.38.2",  # Hanging Protocol FIND
    EXPLICIT,
])  # fmt: skip
def test_other_services_are_not_storage(uid: str) -> None:
    assert not is_storage(uid)
    assert service_of(uid) is not Service.STORE


@pytest.mark.parametrize("root", Root)
def test_query_retrieve_classes_are_those_of_their_models(root: Root) -> None:
    for table, service in ((FIND, Service.FIND), (MOVE, Service.MOVE), (GET, Service.GET)):
        assert QUERY_RETRIEVE[table[root.name]] == (root, service)
        assert service_of(table[root.name]) is service
    assert len(QUERY_RETRIEVE) == len(Root) * 3


def test_the_other_classes_have_their_services() -> None:
    assert service_of(ECHO) is Service.ECHO
    assert service_of(STORAGE_COMMITMENT) is Service.COMMIT
    assert service_of(MODALITY_WORKLIST) is Service.WORKLIST
    assert service_of(PERFORMED_STEP) is service_of(PERFORMED_STEP_RETRIEVE) is Service.STEP
    assert service_of(RELEVANT_PATIENT) is None


# ---- negotiation


def ask(
    abstract: str,
    *syntaxes: str,
    roles: dict[str, Roles] | None = None,
    allowed: frozenset[Service] = EVERYTHING,
) -> PresentationContext:
    proposed = build_context(abstract, list(syntaxes or (EXPLICIT,)))
    proposed.context_id = 17
    return negotiate(proposed, roles or {}, allowed)


ANSWERS: list[tuple[str, str, list[str], int]] = [
    ("storage", CT, [EXPLICIT], ACCEPTED),
    ("storage in a compressed syntax", CT, [JPEG], ACCEPTED),
    ("private storage", PRIVATE, [IMPLICIT], ACCEPTED),
    ("storage in one that is known", CT, [UNKNOWN_SYNTAX, JPEG_2000], ACCEPTED),
    ("storage in an unknown syntax", CT, [UNKNOWN_SYNTAX], NO_TRANSFER_SYNTAX),
    ("storage in a private syntax", PRIVATE, [PRIVATE_SYNTAX], NO_TRANSFER_SYNTAX),
    ("storage in XML", CT, ["1.2.840.10008.1.2.6.2"], NO_TRANSFER_SYNTAX),
    ("verification", ECHO, [IMPLICIT], ACCEPTED),
    ("verification in a compressed syntax", ECHO, [JPEG], NO_TRANSFER_SYNTAX),
    ("find", FIND["STUDY"], [EXPLICIT], ACCEPTED),
    ("find in a compressed syntax", FIND["STUDY"], [JPEG_2000], NO_TRANSFER_SYNTAX),
    ("find deflated", FIND["PATIENT"], [DEFLATED], ACCEPTED),
    ("move", MOVE["PATIENT_STUDY_ONLY"], [IMPLICIT], ACCEPTED),
    ("get", GET["STUDY"], [IMPLICIT], ACCEPTED),
    ("commitment", STORAGE_COMMITMENT, [IMPLICIT], ACCEPTED),
    ("a query of another kind", RELEVANT_PATIENT, [IMPLICIT], NO_ABSTRACT_SYNTAX),
    ("what is no UID", "hello", [IMPLICIT], NO_ABSTRACT_SYNTAX),
    ("what stands for no UID", "0.0", [IMPLICIT], NO_ABSTRACT_SYNTAX),
    ("a UID without an end", "1.2.840.113619.", [EXPLICIT], NO_ABSTRACT_SYNTAX),
    ("private storage with leading zeros", "1.2.840.0113619.4", [EXPLICIT], ACCEPTED),
    ("print", "1.2.840.10008.5.1.1.9", [IMPLICIT], NO_ABSTRACT_SYNTAX),
    ("objects of no patient", next(iter(NON_PATIENT.values())), [EXPLICIT], NO_ABSTRACT_SYNTAX),
    ("neither class nor syntax is known", RELEVANT_PATIENT, [UNKNOWN_SYNTAX], NO_ABSTRACT_SYNTAX),
]


@pytest.mark.parametrize(
    ("abstract", "syntaxes", "result"),
    [row[1:] for row in ANSWERS],
    ids=[row[0] for row in ANSWERS],
)
def test_a_proposal_is_answered(abstract: str, syntaxes: list[str], result: int) -> None:
    answer = ask(abstract, *syntaxes)
    assert answer.result == result
    assert answer.context_id == 17
    assert answer.abstract_syntax == abstract
    assert len(answer.transfer_syntax) == 1
    assert answer.transfer_syntax[0] in syntaxes


def test_the_results_are_those_of_ps3_8() -> None:
    assert (ACCEPTED, USER_REJECTION, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX) == (0, 1, 3, 4)


@pytest.mark.parametrize(("abstract", "result"), [
    (CT, NO_TRANSFER_SYNTAX), (ECHO, NO_TRANSFER_SYNTAX), ("1.2.840.10008.1.9", NO_ABSTRACT_SYNTAX),
])  # fmt: skip
def test_a_context_that_proposes_no_transfer_syntax_is_refused(abstract: str, result: int) -> None:
    """Against PS3.8 9.3.2.2; the answer still has to have one (9.3.3.2)."""
    proposed = PresentationContext()
    proposed.context_id, proposed.abstract_syntax = 17, UID(abstract)
    answer = negotiate(proposed, {}, EVERYTHING)
    assert answer.result == result
    assert len(answer.transfer_syntax) == 1


@pytest.mark.parametrize(("proposed", "chosen"), [
    ([IMPLICIT, EXPLICIT], EXPLICIT),  # implicit VR loses private VRs
    ([EXPLICIT, IMPLICIT], EXPLICIT),
    ([IMPLICIT], IMPLICIT),
    ([IMPLICIT, JPEG], IMPLICIT),
    ([IMPLICIT, JPEG, EXPLICIT], EXPLICIT),
    ([JPEG, EXPLICIT, IMPLICIT], JPEG),
    ([JPEG_2000, JPEG], JPEG_2000),
    ([JPEG, JPEG_2000], JPEG),
    ([BIG_ENDIAN, EXPLICIT], BIG_ENDIAN),
    ([IMPLICIT, BIG_ENDIAN], IMPLICIT),
    ([UNKNOWN_SYNTAX, IMPLICIT, EXPLICIT], EXPLICIT),
    ([UNKNOWN_SYNTAX, JPEG, EXPLICIT], JPEG),
])  # fmt: skip
def test_the_first_syntax_that_both_know_is_taken(proposed: list[str], chosen: str) -> None:
    assert ask(CT, *proposed).transfer_syntax == [chosen]


@pytest.mark.parametrize(("proposed", "chosen"), [
    ([DEFLATED, EXPLICIT], EXPLICIT),
    ([DEFLATED, IMPLICIT], IMPLICIT),
    ([DEFLATED, BIG_ENDIAN, IMPLICIT], BIG_ENDIAN),
    ([DEFLATED, IMPLICIT, EXPLICIT], EXPLICIT),
    ([DEFLATED, UNKNOWN_SYNTAX], DEFLATED),
    ([DEFLATED], DEFLATED),
])  # fmt: skip
def test_an_identifier_is_deflated_only_where_nothing_else_is_offered(
    proposed: list[str], chosen: str
) -> None:
    """pynetdicom2 takes the context and sends it as it is; of what is stored the first counts."""
    for abstract_syntax in QUERY_RETRIEVE:
        assert ask(abstract_syntax, *proposed).transfer_syntax == [chosen]
    assert ask(CT, *proposed).transfer_syntax == [DEFLATED]


@pytest.mark.parametrize(("abstract", "proposed", "chosen"), [
    (CT, [JPEG, EXPLICIT, IMPLICIT], EXPLICIT),
    (CT, [JPEG, IMPLICIT], IMPLICIT),
    (CT, [JPEG, BIG_ENDIAN], BIG_ENDIAN),
    (CT, [JPEG_2000, JPEG], JPEG_2000),
    (PRIVATE, [JPEG, EXPLICIT], EXPLICIT),
    (VIDEO, [MPEG2, EXPLICIT], MPEG2),  # decoded by nothing here
    (VIDEO, [EXPLICIT, MPEG2], EXPLICIT),
])  # fmt: skip
def test_where_instances_go_back_uncompressed_is_better(
    abstract: str, proposed: list[str], chosen: str
) -> None:
    """All that is stored can be sent so; what is stored uncompressed is not compressed here."""
    roles = {abstract: (False, True)}
    assert ask(abstract, *proposed, roles=roles).transfer_syntax == [chosen]


# ---- rights and roles

NEEDED = [
    (ECHO, Service.ECHO), (FIND["STUDY"], Service.FIND), (MOVE["PATIENT"], Service.MOVE),
    (GET["STUDY"], Service.GET), (STORAGE_COMMITMENT, Service.COMMIT),
]  # fmt: skip


@pytest.mark.parametrize(("abstract", "service"), NEEDED, ids=[s.value for _, s in NEEDED])
def test_a_service_is_accepted_from_those_who_may(abstract: str, service: Service) -> None:
    assert ask(abstract, allowed=frozenset({service})).result == ACCEPTED
    for allowed in (NO_RIGHTS, EVERYTHING - {service}):
        assert ask(abstract, allowed=allowed).result == USER_REJECTION


STORE, GET_ = Service.STORE, Service.GET
# What is proposed (SCU, SCP; None: no role selection), what the peer may, what it gets.
ROLES: list[tuple[Roles | None, set[Service], Roles]] = [
    (None, {STORE, GET_}, (True, False)),
    (None, {STORE}, (True, False)),
    (None, {GET_}, (False, False)),
    (None, set(), (False, False)),
    ((True, False), {STORE, GET_}, (True, False)),
    ((True, False), {GET_}, (False, False)),
    ((False, True), {STORE, GET_}, (False, True)),
    ((False, True), {GET_}, (False, True)),
    ((False, True), {STORE}, (False, False)),
    ((True, True), {STORE, GET_}, (True, True)),
    ((True, True), {STORE}, (True, False)),
    ((True, True), {GET_}, (False, True)),
    ((True, True), {Service.MOVE, Service.FIND}, (False, False)),
    ((False, False), {STORE, GET_}, (False, False)),
]  # fmt: skip


@pytest.mark.parametrize("abstract", [CT, PRIVATE], ids=["standard", "private"])
@pytest.mark.parametrize(("proposed", "allowed", "granted"), ROLES)
def test_storage_is_granted_in_the_roles_that_rights_allow(
    abstract: str, proposed: Roles | None, allowed: set[Service], granted: Roles
) -> None:
    """SCU for who may store, SCP for who may get (PS3.4 C.5.3)."""
    roles = {} if proposed is None else {abstract: proposed}
    assert granted_roles(abstract, roles, frozenset(allowed)) == granted
    answer = ask(abstract, roles=roles, allowed=frozenset(allowed))
    assert answer.result == (ACCEPTED if any(granted) else USER_REJECTION)
    # The node is SCP to an SCU, and the reverse.
    assert (answer.as_scp, answer.as_scu) == granted


@pytest.mark.parametrize("proposed", list(product((True, False), repeat=2)))
def test_of_other_services_the_node_is_the_scp_alone(proposed: Roles) -> None:
    for abstract, service in NEEDED:
        answer = ask(abstract, roles={abstract: proposed}, allowed=frozenset({service}))
        assert (answer.as_scp, answer.as_scu) == (proposed[0], False)
        assert answer.result == (ACCEPTED if proposed[0] else USER_REJECTION)


def test_the_roles_of_another_class_do_not_count() -> None:
    answer = ask(CT, roles={PRIVATE: (False, True)})
    assert (answer.as_scp, answer.as_scu) == (True, False)


def test_a_class_nobody_knows_is_told_before_rights_and_syntaxes() -> None:
    for allowed in (NO_RIGHTS, EVERYTHING):
        assert ask(RELEVANT_PATIENT, UNKNOWN_SYNTAX, allowed=allowed).result == NO_ABSTRACT_SYNTAX
    assert ask(CT, UNKNOWN_SYNTAX, allowed=NO_RIGHTS).result == USER_REJECTION
