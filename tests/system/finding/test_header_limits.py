"""C-FIND on keys that no column serves, of which more headers would be read than may be."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND
from support import CT, EXPLICIT, FIND, RunningNode, ct, encoded, identifier, minipacs, send
from support.checks.printed import conformance, read

from storage.archive import turns
from storage.files import turn

# More than are read by one thread.
MOST, HELD = 40, 60
KEY = "KVP"


@contextmanager
def served(folder: Path, most: int, **constants: object) -> Iterator[RunningNode]:
    """A node that holds studies of one image each."""
    folder.mkdir()
    node = RunningNode(folder, {"query": {"most_headers": most}})
    node.constants = constants
    try:
        node.start()
        with node.association((CT, EXPLICIT)) as association:
            for number in range(HELD):
                uids = (f"1.{level}.{number}" for level in (1, 2, 3))
                date = "20240101" if number < MOST else "20250101"
                data = encoded(ct(*uids, KVP=str(80 + number), StudyDate=date))
                assert send(association, CT, f"1.3.{number}", data).Status == 0x0000
        yield node
        assert node.stop() == 0
        assert not node.bugs()
    finally:
        if node.is_running:
            node.kill()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with served(tmp_path_factory.mktemp("limits") / "node", MOST) as running:
        yield running


def asked(node: RunningNode, **keys: str) -> tuple[set[int], list[Dataset], Dataset]:
    """The statuses of the answers, these, and the last response."""
    pending, answers = set[int](), list[Dataset]()
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        sent = identifier("STUDY", StudyInstanceUID="", **keys)
        for status, answer in association.send_c_find(sent, FIND["STUDY"]):
            if answer is None:
                return pending, answers, status
            pending.add(int(status.Status))
            answers.append(answer)
    raise AssertionError("no final response")


def test_what_would_read_more_is_refused(node: RunningNode) -> None:
    mark = node.mark()
    pending, _, final = asked(node, KVP="80")
    assert (pending, final.Status) == (set(), 0xA700)
    assert final.ErrorComment == "KVP: over 40 headers to be read, [query] most_headers; narrow th"
    node.wait_for_log("query refused", "KVP: over 40 headers", "dates", after=mark)


def test_what_is_narrowed_is_answered(node: RunningNode) -> None:
    """As the Error Comment has it."""
    pending, answers, final = asked(node, KVP="80", StudyDate="2024")
    assert (pending, final.Status) == ({0xFF00}, 0x0000)
    assert [one.StudyInstanceUID for one in answers] == ["1.1.0"]


def test_what_is_asked_for_alone_is_left_out(node: RunningNode) -> None:
    """All that match come, and each says that a key was not supported (PS3.4 C.4.1.1.4)."""
    mark = node.mark()
    pending, answers, final = asked(node, KVP="", StudyDate="")
    assert (pending, final.Status, len(answers)) == ({0xFF01}, 0x0000, HELD)
    assert not any(KEY in one for one in answers)
    node.wait_for_log("queried", f"answers={HELD}", "unread=", "0018,0060", after=mark)
    pending, answers, final = asked(node, KVP="", StudyDate="2024")
    assert (pending, final.Status, len(answers)) == ({0xFF00}, 0x0000, MOST)
    assert all(KEY in one for one in answers)


@pytest.mark.parametrize("most", [MOST, 0])
def test_the_conformance_statement_says_how_many(tmp_path: Path, most: int) -> None:
    told = read(conformance(RunningNode(tmp_path, {"query": {"most_headers": most}}).config).stdout)
    words = f"Of a query {most} stored headers" if most else "Any number of stored headers"
    assert words in told.words("Other keys")


def test_a_command_of_a_person_reads_all(node: RunningNode) -> None:
    found = minipacs("find", node, f"KVP={79 + HELD}", "--uids")
    assert (found.returncode, found.stdout) == (0, f"1.1.{HELD - 1}\n")


def test_the_bound_is_taken_at_sighup(tmp_path: Path) -> None:
    with served(tmp_path / "node", MOST) as node:
        assert asked(node, KVP="80")[2].Status == 0xA700
        node.configure({"query": {"most_headers": 0}})
        node.reload()
        _, answers, final = asked(node, KVP="80")
        assert (final.Status, len(answers)) == (0x0000, 1)


LOOKS = "storage.archive.finding.answers._LOOK_SECONDS"


def test_how_far_it_is_comes_in_the_log(tmp_path: Path) -> None:
    constants = {"scp.network.services.find._PROGRESS_SECONDS": 0.0, LOOKS: 0.0}
    with served(tmp_path / "node", 0, **constants) as node:
        asked(node, KVP="80")
        for read in (1, 17, HELD):
            node.wait_for_log("reading headers", "0018,0060", f"read={read} of={HELD}")


@contextmanager
def waiting(folder: Path) -> Iterator[RunningNode]:
    """A node in which all turns to read headers are taken."""
    constants = {"scp.network.services.find._PROGRESS_SECONDS": 0.0, LOOKS: 0.0}
    with served(folder / "node", 0, **constants) as node, ExitStack() as held:
        for _ in range(turns()):
            held.enter_context(turn(node.data / "headers.lock", turns(), lambda: None))
        yield node


@pytest.mark.parametrize(("ends", "logged"), [
    (lambda association: association.send_c_cancel(1, 1), ("queried", "answers=0", "status=FE00")),
    (lambda association: association.abort(), ("association closed", "by=abort")),
], ids=["cancel", "abort"])  # fmt: skip
def test_who_waits_to_read_headers_is_not_held(
    tmp_path: Path, ends: Callable[[Association], None], logged: tuple[str, ...]
) -> None:
    request = C_FIND()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = UID(FIND["STUDY"])
    request.Identifier = BytesIO(encoded(identifier("STUDY", StudyInstanceUID="", KVP="1")))
    with waiting(tmp_path) as node:
        association = node.associate((FIND["STUDY"], EXPLICIT))
        association.dimse.send_msg(request, 1)
        node.wait_for_log("reading headers", f"read=0 of={HELD}")
        ends(association)
        node.wait_for_log(*logged)
        association.abort()
