"""Optional keys: matched, or said not to be by FF01 (PS3.4 C.4.1.1.4); none is dropped."""

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from support import (
    CT,
    EXPLICIT,
    FIND,
    IMPLICIT,
    RunningNode,
    ct,
    encoded,
    identifier,
    running_node,
    send,
)
from support.network.plain_peer import Wire
from support.network.raw import im
from support.network.wire import (
    RELEASE,
    RELEASED,
    association_request,
    command_set,
    message,
    messages,
    request,
    us,
)

ALL, FIRST, SECOND = ["1.1", "1.2", "1.3"], ["1.1"], ["1.2"]


def with_private(study: str, *elements: tuple[int, str]) -> Dataset:
    made = ct(study, f"{study}.1", f"{study}.1.1", StudyDate="20240601")
    for tag, value in elements:
        made.add_new(tag, "LO", value)
    return made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    held = [
        with_private("1.1", (0x00090010, "ACME"), (0x00091001, "ALPHA")),
        with_private("1.2", (0x00090010, "OTHER"), (0x00091001, "BETA")),
        with_private("1.3", (0x00091001, "ALPHA")),  # nobody's
    ]
    held[0].TimezoneOffsetFromUTC = "+0900"
    with running_node(tmp_path_factory.mktemp("node")) as running:
        with running.association((CT, EXPLICIT)) as association:
            for one in held:
                data = encoded(one)
                assert send(association, CT, one.SOPInstanceUID, data).Status == 0x0000
        yield running


Found = tuple[set[int], list[Dataset]]


def found(node: RunningNode, *private: tuple[int, str], **keys: str) -> Found:
    """The statuses of what is pending, and the answers in the order of their studies."""
    query = identifier("STUDY", StudyInstanceUID="", **keys)
    for tag, value in private:
        query.add_new(tag, "LO", value)
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        *pending, (last, _) = association.send_c_find(query, FIND["STUDY"])
    assert last.Status == 0x0000
    answers = sorted((data for _, data in pending), key=lambda data: data.StudyInstanceUID)
    return {status.Status for status, _ in pending}, answers


def studies(answers: list[Dataset]) -> list[str]:
    return [str(data.StudyInstanceUID) for data in answers]


def test_the_offset_from_utc_is_answered_where_it_is_asked_for(node: RunningNode) -> None:
    statuses, answers = found(node, TimezoneOffsetFromUTC="")
    assert statuses == {0xFF00}
    assert [data.TimezoneOffsetFromUTC or "" for data in answers] == ["+0900", "", ""]
    assert "TimezoneOffsetFromUTC" not in found(node)[1][0]


def test_times_are_not_read_in_an_offset_that_a_query_tells_and_that_is_said(
    node: RunningNode,
) -> None:
    statuses, answers = found(node, TimezoneOffsetFromUTC="+0000", StudyDate="20240601")
    assert (statuses, studies(answers)) == ({0xFF01}, ALL)
    assert answers[0].TimezoneOffsetFromUTC == "+0900"


@pytest.mark.parametrize(("key", "expected"), [
    ("", ALL), ("ONLINE", ALL), ("ONL*", ALL), ("ONLINE\\NEARLINE", ALL), ("NEARLINE", []),
    ("OFFLINE\\UNAVAILABLE", []),
])  # fmt: skip
def test_instance_availability_is_matched(node: RunningNode, key: str, expected: list[str]) -> None:
    statuses, answers = found(node, InstanceAvailability=key)
    assert statuses <= {0xFF00}
    assert studies(answers) == expected
    assert all(data.InstanceAvailability == "ONLINE" for data in answers)


@pytest.mark.parametrize("key", ["RetrieveAETitle", "QueryRetrieveView"])
def test_what_cannot_be_asked_for_is_said_not_to_be(node: RunningNode, key: str) -> None:
    assert found(node, **{key: ""})[0] == {0xFF00}
    statuses, answers = found(node, **{key: "CLASSIC"})
    assert (statuses, studies(answers)) == ({0xFF01}, ALL)


def test_the_log_names_what_was_not_matched_where_no_answer_says_so(node: RunningNode) -> None:
    mark = node.mark()
    assert found(node, RetrieveAETitle="OTHER", PatientID="NOBODY") == (set(), [])
    assert found(node, PatientID="NOBODY") == (set(), [])
    node.wait_for_log("queried", count=2, after=mark)
    lines = node.logged("queried", after=mark)
    assert ["unmatched=(0008,0054)" in line for line in lines] == [True, False]


def test_a_key_of_file_meta_is_not_matched_and_said_not_to_be(node: RunningNode) -> None:
    """No group below 0008 is in a data set (PS3.4 C.4.1.1.3); Orthanc sends one to find images."""
    keys = [(0x00080018, b"1.1.1.1\0"), (0x00080052, b"IMAGE ")]
    media = (0x00020003, b"1.1.1.1\0")
    for meta, status in (media, 0xFF01), ((0x00020003, b""), 0xFF00):
        data = b"".join(im(tag, value) for tag, value in [meta, *keys])
        (pending, answer), (last, nothing) = asked(node, data)
        assert (pending, last, nothing) == (status, 0x0000, None)
        assert answer is not None
        assert im(*media) not in answer
        assert im(0x00080018, b"1.1.1.1\0") in answer


def asked(node: RunningNode, data: bytes) -> list[tuple[int | None, bytes | None]]:
    """The status and the identifier of each response to an identifier as it is."""
    with Wire(node.port) as wire:
        wire.associate(association_request([(1, FIND["STUDY"], [IMPLICIT])]))
        command = command_set(request(0x0020, FIND["STUDY"], True, (0x0700, us(0))))
        wire.send(message(1, command, data))
        pdus = [wire.receive()]
        while (found := list(messages(pdus)))[-1:] == [] or found[-1].data is not None:
            pdus.append(wire.receive())
        wire.send(RELEASE)
        assert wire.receive() == RELEASED
    return [(one.number(0x0900), one.data) for one in found]


@pytest.mark.parametrize(("private", "expected"), [
    ([(0x00090010, "ACME"), (0x00091001, "ALPHA")], FIRST),
    ([(0x00090020, "ACME"), (0x00092001, "ALPHA")], FIRST),  # in another block
    ([(0x00091001, "ALPHA")], ["1.1", "1.3"]),  # just that tag, whosever it is
    ([(0x00091001, "BETA")], SECOND),
    ([(0x00090010, ""), (0x00091001, "ALPHA")], ["1.1", "1.3"]),
    ([(0x00090010, "NOBODY"), (0x00091001, "ALPHA")], []),
])  # fmt: skip
def test_a_private_key_is_matched_with_its_creator_or_as_it_is(
    node: RunningNode, private: list[tuple[int, str]], expected: list[str]
) -> None:
    statuses, answers = found(node, *private)
    assert statuses <= {0xFF00}
    assert studies(answers) == expected
