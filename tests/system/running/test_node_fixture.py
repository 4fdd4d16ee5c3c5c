"""`scp.testing`, as the tests of another program use it: DCMTK's clients here, and pynetdicom."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context, build_role
from support import CT, ECHO, EXPLICIT, FIND, GET, MOVE, ct
from support.clients import keep_responses
from support.program import Program

from scp.testing import Fault, Node
from scp.testing.fixtures import node, start_node

__all__ = ["node", "start_node"]  # the fixtures
STUDY = "1.2.3"
UIDS = [(STUDY, "1.2.4", f"1.2.5.{number}") for number in range(4)]
REFUSED, BUSY = 0x0124, 0xA700
# Those that start Python for it, as another program's tests do.
BY_ITSELF = "test_what_a_program_sends_is_held", "test_a_wrong_setting_says_so"


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have it forked from a process that has imported the program."""

    def process(one: Node, log: int) -> Program:
        return Program("serve", "-c", str(one.config), stderr=log, new_session=True)

    if request.function.__name__ not in BY_ITSELF:
        monkeypatch.setattr(Node, "_process", process)


@pytest.fixture
def associate() -> Iterator[Callable[..., Association]]:
    made: list[Association] = []

    def open_one(to: Node, *contexts: str, **options: object) -> Association:
        entity = AE("PROGRAM")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        built = [build_context(uid, EXPLICIT) for uid in contexts or (ECHO, CT, FIND["STUDY"])]
        found = entity.associate(
            to.host,
            to.port,
            contexts=built,
            ae_title=to.title,
            **options,  # type: ignore[arg-type]
        )
        keep_responses(found)
        made.append(found)
        return found

    yield open_one
    for one in made:
        if one.is_established:
            one.abort()


def image(number: int = 0) -> Dataset:
    made = ct(*UIDS[number], PatientID="P1", PatientName="Doe^Jane")
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    made.file_meta.MediaStorageSOPClassUID = CT
    made.file_meta.MediaStorageSOPInstanceUID = UIDS[number][2]
    return made


def store(association: Association, number: int = 0) -> int:
    return int(getattr(association.send_c_store(image(number)), "Status", -1))


def test_what_a_program_sends_is_held(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "ct.dcm"
    dcmwrite(file, image(), enforce_file_format=True)
    address = node.host, str(node.port)
    subprocess.run(["storescu", "-aec", node.title, *address, file], check=True)
    with node.archive as archive:
        (held,) = archive.find("IMAGE", PatientName="doe*")
        assert held["SOPInstanceUID"] == UIDS[0][2]
        assert archive.dcmread(held) == dcmread(file)


def test_settings_are_those_of_its_configuration(start_node: Callable[..., Node]) -> None:
    one = start_node(node={"ae_title": "ONE"}, storage={"on_conflict": "refuse"})
    two = start_node(node={"ae_title": "Zwei ß"[:4]})
    assert (one.title, two.title) == ("ONE", "Zwei")
    assert one.port != two.port
    assert one.data != two.data
    assert 'ae_title = "ONE"' in one.config.read_text()


@pytest.mark.parametrize(("fault", "rejection"), [("refuse", (1, 1, 7)), ("busy", (2, 3, 2))])
def test_an_association_is_rejected(
    node: Node, associate: Callable[..., Association], fault: str, rejection: tuple[int, ...]
) -> None:
    injected = node.inject(fault, times=1)
    rejected = associate(node)
    assert rejected.is_rejected
    primitive = rejected.acceptor.primitive
    assert primitive is not None
    told = (primitive.result, primitive.result_source, primitive.diagnostic)
    assert told == rejection
    assert injected.happened == 1
    assert associate(node).is_established  # it was for once


def test_an_association_is_aborted(node: Node, associate: Callable[..., Association]) -> None:
    with node.inject(Fault.ABORT):
        assert associate(node).is_aborted
    assert associate(node).is_established


@pytest.mark.parametrize(("fault", "status"), [("refuse", REFUSED), ("busy", BUSY)])
def test_a_request_is_answered_by_a_failure(
    node: Node, associate: Callable[..., Association], fault: str, status: int
) -> None:
    injected = node.inject(fault, "C-STORE", after=1, times=2)
    association = associate(node)
    assert [store(association, number) for number in range(4)] == [0, status, status, 0]
    assert injected.happened == 2
    assert association.send_c_echo().Status == 0x0000
    with node.archive as archive:
        held = {one["SOPInstanceUID"] for one in archive.find("IMAGE")}
    assert held == {UIDS[0][2], UIDS[3][2]}


def test_a_query_is_answered_by_a_failure(
    node: Node, associate: Callable[..., Association]
) -> None:
    node.inject("busy", "C-FIND", times=1)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ""
    association = associate(node)
    statuses = [
        [status.Status for status, _ in association.send_c_find(asked, FIND["STUDY"])]
        for _ in range(2)
    ]
    assert statuses == [[BUSY], [0x0000]]


def test_a_request_stalls_until_it_is_let_go(
    node: Node, associate: Callable[..., Association]
) -> None:
    association = associate(node)
    association.dimse_timeout = 0.5
    with node.inject("stall", "C-STORE"):
        assert store(association) == -1  # no answer came
    again = associate(node)
    assert store(again, 1) == 0x0000


def test_a_request_is_cut_off(node: Node, associate: Callable[..., Association]) -> None:
    node.inject("abort", "C-STORE", after=2)
    association = associate(node)
    assert [store(association, number) for number in range(3)] == [0, 0, -1]
    association.join(20)  # its thread, which takes what has come
    assert association.is_aborted


def test_a_retrieve_is_cut_off_in_its_sub_operations(
    node: Node, associate: Callable[..., Association]
) -> None:
    association = associate(node)
    assert [store(association, number) for number in range(4)] == [0] * 4
    node.inject("abort", "C-STORE", after=2)
    arrived = []
    handlers = [(evt.EVT_C_STORE, lambda event: arrived.append(event) or 0x0000)]
    getting = associate(
        node, GET["STUDY"], CT, ext_neg=[build_role(CT, scp_role=True)], evt_handlers=handlers
    )
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", STUDY
    statuses = [status for status, _ in getting.send_c_get(asked, GET["STUDY"])]
    assert len(arrived) == 2
    assert not getattr(statuses[-1], "Status", None)  # no final response


def test_it_keeps_its_port_and_what_it_holds(
    node: Node, associate: Callable[..., Association]
) -> None:
    assert store(associate(node)) == 0x0000
    port = node.port
    node.kill()
    assert not associate(node).is_established
    node.start()
    assert node.port == port
    assert store(associate(node), 1) == 0x0000
    with node.archive as archive:
        assert len(list(archive.find("IMAGE"))) == 2


def test_faults_come_in_the_order_in_which_they_were_asked_for(
    node: Node, associate: Callable[..., Association]
) -> None:
    node.inject("busy", "C-STORE", times=1)
    node.inject("refuse", "C-STORE", times=1)
    association = associate(node)
    assert [store(association, number) for number in range(3)] == [BUSY, REFUSED, 0]
    node.inject("busy", "C-STORE")
    node.clear_faults()
    assert store(association, 3) == 0


@pytest.mark.parametrize(
    ("fault", "on", "words"),
    [
        ("slow", "association", "slow: takes one of refuse, busy, stall, abort"),
        ("busy", "C-PRINT", "C-PRINT: takes one of association, C-ECHO, C-STORE, C-FIND"),
        ("busy", "C-ECHO", "C-ECHO: has no answer that says busy"),
        ("refuse", "N-EVENT-REPORT", "N-EVENT-REPORT: has no answer that says refuse"),
    ],
)
def test_what_cannot_happen_is_an_error(node: Node, fault: str, on: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        node.inject(fault, on)


def test_a_wrong_setting_says_so(start_node: Callable[..., Node]) -> None:
    with pytest.raises(AssertionError, match="ae_titel"):
        start_node(node={"ae_titel": "X"})


def test_a_retrieve_over_it_moves_to_a_destination(
    start_node: Callable[..., Node], associate: Callable[..., Association]
) -> None:
    """Two nodes, each behind its port."""
    to = start_node(node={"ae_title": "TO"})
    source = start_node(peers={"TO": {"host": to.host, "port": to.port}})
    association = associate(source, CT, MOVE["STUDY"])
    assert store(association) == 0x0000
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", STUDY
    statuses = [status.Status for status, _ in association.send_c_move(asked, "TO", MOVE["STUDY"])]
    assert statuses[-1] == 0x0000
    with to.archive as archive:
        assert [one["StudyInstanceUID"] for one in archive.find()] == [STUDY]
