"""Every data set that ships inside pydicom: sent as it lies, and got back byte for byte.

The files are odd on purpose: private elements, broken VRs, wrong lengths, truncated pixels, every
transfer syntax. None of that is a node's business: what it takes it gives back as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.association import Association
from support import (
    CT,
    EXPLICIT,
    GET,
    IMPLICIT,
    MOVE,
    TEST_FILES,
    Inbox,
    RunningNode,
    Sample,
    data_set_bytes,
    destination,
    getting,
    identifier,
    offending_elements,
    retrieved,
    running_node,
    samples,
    send,
)

# The files are odd on purpose, and pydicom says so.
pytestmark = pytest.mark.filterwarnings("ignore:Expected explicit VR")

# Not DICOM data sets.
OTHER_FILES = {
    "README.txt": "text",
    "dicomdirtests/README.txt": "text",
    "dicomdirtests/TINY_ALPHA/README": "text",
    "rtplan.dump": "text",
    "rtstruct.dump": "text",
    "crayons.icc": "an ICC profile",
    "test1.json": "DICOM JSON",
    "test_PN.json": "DICOM JSON",
    "zipMR.gz": "MR_small.dcm, compressed with gzip",
    "no_meta.dcm": "a stray byte in front: a data set in no transfer syntax",
}

# Without Part 10 header, or with one that lacks UIDs: name -> the data set's transfer syntax, and
# where it begins.
BARE = {
    "ExplVR_BigEndNoMeta.dcm": (str(ExplicitVRBigEndian), 0),
    "ExplVR_LitEndNoMeta.dcm": (EXPLICIT, 0),
    "rtstruct.dcm": (IMPLICIT, 0),
    "empty_charset_LEI.dcm": (IMPLICIT, 128 + 4 + 12 + 86),
    "meta_missing_tsyntax.dcm": (IMPLICIT, 128 + 4 + 12 + 58),
    "nested_priv_SQ.dcm": (IMPLICIT, 128 + 4 + 12 + 84),
}

_NO_STUDY = ("No Study Instance UID in the data set", 0x0020000D)
# What storage cannot take, with the Error Comment and the Offending Element: name -> both.
REFUSED = {
    # Test images made without a patient's module: neither study nor series.
    "JPEGLSNearLossless_08.dcm": _NO_STUDY,
    "JPEGLSNearLossless_16.dcm": _NO_STUDY,
    "SC_rgb_jls_lossy_line.dcm": _NO_STUDY,
    "SC_rgb_jls_lossy_sample.dcm": _NO_STUDY,
    # A few elements cut out of an instance, to test a parser with.
    "UN_sequence.dcm": _NO_STUDY,
    "no_meta_group_length.dcm": _NO_STUDY,
    "priv_SQ.dcm": _NO_STUDY,
    "empty_charset_LEI.dcm": _NO_STUDY,
    "meta_missing_tsyntax.dcm": _NO_STUDY,
    "nested_priv_SQ.dcm": _NO_STUDY,
}

# A DICOMDIR is a file set's directory (PS3.10 8), not an instance of a study: nobody stores it,
# and its SOP class is refused in negotiation.
DICOMDIR = "1.2.840.10008.1.3.10"
DIRECTORIES = {
    "dicomdirtests/DICOMDIR",
    "dicomdirtests/DICOMDIR-bigEnd",
    "dicomdirtests/DICOMDIR-empty.dcm",
    "dicomdirtests/DICOMDIR-implicit",
    "dicomdirtests/DICOMDIR-nooffset",
    "dicomdirtests/DICOMDIR-nopatient",
    "dicomdirtests/DICOMDIR-reordered",
    "dicomdirtests/TINY_ALPHA/DICOMDIR",
}

# File meta that names another instance than the data set (rtdose.dcm was made anonymous, its meta
# was not): sent under the data set's UID they are stored, under the meta's refused.
MISNAMED = {
    "badVR.dcm",
    "rtdose.dcm",
    "rtdose_1frame.dcm",
    "rtdose_expb.dcm",
    "rtdose_expb_1frame.dcm",
    "rtplan.dcm",
    "rtplan_truncated.dcm",
}

# Instances that several files claim to be. Each displaces the one before, which is kept under
# superseded/; "same" is byte-identical, in the same transfer syntax, and changes nothing.
VERSIONS = {
    "MR_small.dcm": 9,  # in every transfer syntax, padded and truncated
    "SC_rgb_jpeg_gdcm.dcm": 7,
    "badVR.dcm": 7,  # rtdose.dcm, in every transfer syntax
    "JPEG-lossy.dcm": 2,
    "JPEG2000-embedded-sequence-delimiter.dcm": 2,
    "SC_jpeg_no_color_transform_2.dcm": 2,
    "SC_rgb_dcmtk_+eb+cy+n2.dcm": 2,
    "SC_rgb_jpeg.dcm": 2,
    "SC_rgb_small_odd.dcm": 2,
    "liver_1frame.dcm": 2,
    "reportsi.dcm": 2,
    "rtplan.dcm": 2,
    "ExplVR_BigEndNoMeta.dcm": 2,
}


@cache
def corpus() -> dict[str, Sample]:
    """All data sets by name: those with file meta, and the bare ones."""
    found = {sample.name: sample for sample in samples()}
    for name, (syntax, offset) in BARE.items():
        data = (TEST_FILES / name).read_bytes()[offset:]
        found[name] = Sample(TEST_FILES / name, "", "", syntax, data)
    return dict(sorted(found.items()))


def command_uids(sample: Sample) -> tuple[str, str]:
    """SOP class and instance for the command: the data set's, else the meta's, else invented."""
    data_set = sample.dataset
    sop_class = str(data_set.get("SOPClassUID", "")) or sample.sop_class_uid or CT
    return sop_class, sample.uids[2] or sample.sop_instance_uid.strip() or "1.2.3"


def storable() -> list[Sample]:
    """What storage takes."""
    return [s for n, s in corpus().items() if n not in REFUSED and n not in DIRECTORIES]


def contexts() -> list[tuple[str, str]]:
    """Each SOP class with each transfer syntax that it comes in."""
    pairs = {(command_uids(s)[0], s.transfer_syntax_uid) for s in corpus().values()}
    return sorted(pair for pair in pairs if pair[0] != DICOMDIR)


@dataclass
class Session:
    """A node, and one association for each service that lasts as long as nothing ends it."""

    node: RunningNode
    peer: Inbox
    inbox: Inbox
    open: dict[str, Association]

    def storing(self) -> Association:
        return self._opened("store", *contexts())

    def moving(self) -> Association:
        return self._opened("move", (MOVE["STUDY"], EXPLICIT))

    def getting(self) -> Association:
        wanted = [(GET["STUDY"], EXPLICIT), *contexts()]
        return self._opened("get", *wanted, **getting(self.inbox, wanted))

    def _opened(self, name: str, *wanted: tuple[str, str], **options: Any) -> Association:
        association = self.open.get(name)
        if association is None or not association.is_established:
            self.open[name] = association = self.node.associate(*wanted, **options)
            assert association.is_established
            assert not association.rejected_contexts
        return association

    def store(self, sample: Sample) -> Any:
        sop_class, sop_instance = command_uids(sample)
        return send(
            self.storing(), sop_class, sop_instance, sample.data_set, sample.transfer_syntax_uid
        )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    private = {uid for uid, _ in contexts()}
    with destination("PEER", *private) as (peer, port):
        # More than fits into a PDU, so that all of them come in fragments too.
        tables = {
            "peers": {"PEER": {"host": "127.0.0.1", "port": port}},
            "limits": {"pdu_bytes": 16384},
        }
        with running_node(tmp_path_factory.mktemp("corpus"), tables) as node:
            session = Session(node, peer, Inbox(), {})
            yield session
            for association in session.open.values():
                association.release()


def test_no_file_is_left_out() -> None:
    there = {p.relative_to(TEST_FILES).as_posix() for p in TEST_FILES.rglob("*") if p.is_file()}
    assert there == set(corpus()) | set(OTHER_FILES)
    assert not set(corpus()) & set(OTHER_FILES)
    assert len(storable()) > 140


def test_the_table_of_directories_is_exact() -> None:
    assert {name for name, s in corpus().items() if s.sop_class_uid == DICOMDIR} == DIRECTORIES


def test_a_directory_is_refused_in_negotiation(session: Session) -> None:
    association = session.node.associate((DICOMDIR, EXPLICIT))
    assert not association.is_established
    assert [context.result for context in association.rejected_contexts] == [0x03]


def test_every_class_is_accepted_in_every_transfer_syntax_it_comes_in(session: Session) -> None:
    agreed = {
        (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in session.storing().accepted_contexts
    }
    assert agreed == set(contexts())
    assert {syntax for _, syntax in agreed} > {
        str(ImplicitVRLittleEndian),
        str(ExplicitVRBigEndian),
        str(DeflatedExplicitVRLittleEndian),
    }
    assert sum(UID(syntax).is_compressed for _, syntax in agreed) > 8


@pytest.mark.parametrize("name", [s.name for s in storable()])
def test_a_data_set_comes_back_as_it_was(session: Session, name: str) -> None:
    sample = corpus()[name]
    study, series, instance = sample.uids
    response = session.store(sample)
    assert (response.Status, response.ErrorComment) == (0x0000, None)
    assert response.AffectedSOPInstanceUID == instance

    path = session.node.data / "tree" / study / series / f"{instance}.dcm"
    assert data_set_bytes(path) == sample.data_set
    meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
    assert meta.TransferSyntaxUID == sample.transfer_syntax_uid
    assert meta.MediaStorageSOPClassUID == sample.dataset.SOPClassUID
    assert meta.MediaStorageSOPInstanceUID == instance

    query = identifier(
        "IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=instance
    )
    got = retrieved(session.getting().send_c_get(query, GET["STUDY"]))
    assert_it_came(got, session.inbox, sample)
    moved = retrieved(session.moving().send_c_move(query, "PEER", MOVE["STUDY"]))
    assert_it_came(moved, session.peer, sample)


def assert_it_came(answer: Any, inbox: Inbox, sample: Sample) -> None:
    """That the answer is success for one instance, and that the instance is `sample`."""
    arrived = inbox.take_all()
    assert (answer.status, answer.counts) == (0x0000, (1, 0, 0)), answer.final
    assert list(arrived) == [sample.uids[2]]
    one = arrived[sample.uids[2]]
    assert one.data_set == sample.data_set
    assert one.transfer_syntax_uid == sample.transfer_syntax_uid
    assert one.sop_class_uid == sample.dataset.SOPClassUID


@pytest.mark.parametrize("name", REFUSED)
def test_what_lacks_a_uid_is_refused_with_the_reason(session: Session, name: str) -> None:
    before = session.node.files()
    response = session.store(corpus()[name])
    comment, offending = REFUSED[name]
    assert response.Status == 0xA900
    assert response.ErrorComment == comment
    assert offending_elements(response) == [offending]
    assert session.node.files() == before


@pytest.mark.parametrize("name", sorted(MISNAMED))
def test_a_command_with_the_uid_of_the_file_meta_is_refused(session: Session, name: str) -> None:
    sample = corpus()[name]
    before = {path: path.read_bytes() for path in session.node.files()}
    response = send(
        session.storing(),
        sample.sop_class_uid,
        sample.sop_instance_uid,
        sample.data_set,
        sample.transfer_syntax_uid,
    )
    assert response.Status == 0xA900
    assert offending_elements(response) == [0x00080018]
    # Both UIDs are of 40 characters, the comment holds 64: the parts where they differ.
    assert response.ErrorComment.startswith("sent ")
    sent, _, found = response.ErrorComment.removeprefix("sent ").partition(", is ")
    assert sent.lstrip(".") in sample.sop_instance_uid
    assert found.lstrip(".") in sample.uids[2]
    assert sent != found
    assert {path: path.read_bytes() for path in session.node.files()} == before


def test_the_table_of_misnamed_files_is_exact() -> None:
    differ = {
        sample.name
        for sample in storable()
        if sample.sop_instance_uid and sample.sop_instance_uid != sample.uids[2]
    }
    assert differ == MISNAMED


# ---- files that claim to be the same instance


def versions() -> dict[tuple[str, str, str], list[Sample]]:
    by_uids: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in storable():
        by_uids.setdefault(sample.uids, []).append(sample)
    return {uids: found for uids, found in by_uids.items() if len(found) > 1}


def test_the_table_of_instances_in_several_versions_is_exact() -> None:
    assert {found[0].name: len(found) for found in versions().values()} == VERSIONS


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("versions")) as node:
        yield node


@pytest.mark.parametrize("first", VERSIONS)
def test_each_version_displaces_the_one_before(fresh: RunningNode, first: str) -> None:
    sent = next(found for found in versions().values() if found[0].name == first)
    study, series, instance = sent[0].uids
    path = fresh.path(sent[0].dataset)
    displaced, held = [], None
    with fresh.association(*contexts()) as association:
        for sample in sent:
            mark = fresh.mark()
            data, syntax = sample.data_set, sample.transfer_syntax_uid
            response = send(association, command_uids(sample)[0], instance, data, syntax)
            assert response.Status == 0x0000
            if held is None:
                expected = "stored"
            elif held == (syntax, data):
                expected = "already there"
            else:
                expected = "replaced"
                displaced.append(held)
            fresh.wait_for_log(f" {expected} peer=TESTER", f"instance={instance}", after=mark)
            held = content(path)
            assert held == (syntax, data)
    assert len({(s.transfer_syntax_uid, s.data_set) for s in sent}) == len(displaced) + 1
    kept = (fresh.data / "superseded" / study / series).glob(f"{instance}.*.dcm")
    assert sorted(map(content, kept)) == sorted(displaced)


def content(path: Path) -> tuple[str, bytes]:
    """Transfer syntax and data set of a file."""
    meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
    return str(meta.TransferSyntaxUID), data_set_bytes(path)
