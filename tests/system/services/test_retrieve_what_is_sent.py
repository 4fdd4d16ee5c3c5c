"""C-MOVE and C-GET: what is sent, and in which form."""

from typing import Any

import pytest
from support import (
    CT,
    EXPLICIT,
    IMPLICIT,
    Sample,
    offending_elements,
)
from support.checks.broken_files import replaced
from support.network.destinations import (
    Destination,
)
from support.network.retrieving import (
    AXIAL,
    CHEST,
    COMPRESSED,
    HEAD,
    HELD,
    IMAGE,
    KNEE,
    SCOUT,
    SERIES,
    STUDY,
    SYNTAXES,
    TWIN,
    Answer,
    Rig,
    expect_all,
    expect_it_goes_on,
    get,
    item,
    move,
    of,
    retrieve,
    same,
    series,
    services,
    study,
    uid,
)

# pydicom warns of the values that are odd here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

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
    """Neither side's TCP waits for the other's 40 ms: 50 such stalls are two seconds.

    A busy machine takes its time too: as much with a peer that acknowledges at once.
    """

    def seconds(title: str, peer: Destination) -> float:
        with peer.does() as at_work:
            found = move(rig.node, title, "STUDY", StudyInstanceUID=study("few"))
            assert at_work.inbox.data_sets() == of("few")
        expect_all(found, of("few"))
        return found.times[-1] - found.times[0]

    turns = ((seconds("SLOW", rig.slow), seconds("PEER", rig.peer)) for _ in range(5))
    assert any(slow < at_once + 1.0 for slow, at_once in turns)


# ---- after all of that


def test_after_all_of_that_the_node_goes_on(rig: Rig) -> None:
    expect_it_goes_on(rig)
