"""What of a study a peer lists, and what is asked of it then."""

from collections.abc import Iterator

import pytest

from scp.network.fetching import Plan, RemoteArchive, StudyPlan, remote_asked
from scp.network.fetching.studies import list_instances
from scp.network.scu import PeerError
from storage import Level
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import UNIQUE

STUDY, SERIES, INSTANCE = (UNIQUE[level].tag for level in (Level.STUDY, Level.SERIES, Level.IMAGE))


class Peer:
    """Answers queries of each level by the UIDs that it is given, whatever is asked."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers

    def find(self, level: Level, keys: Elements) -> Iterator[Elements]:
        if level.name not in self.answers:
            raise PeerError("answers the query by status C001")
        for uid in self.answers[level.name]:
            yield keys | {UNIQUE[level].tag: Element("UI", uid)}


def listed(peer: Peer, plan: StudyPlan) -> StudyPlan:
    list_instances(peer.find, plan)
    return plan


@pytest.mark.parametrize(("peer", "only", "words"), [
    (Peer(SERIES=[], IMAGE=[]), {}, "lists no series"),
    (Peer(SERIES=["1.2"], IMAGE=[]), {}, "lists no instances of the series 1.2"),
    (Peer(SERIES=["1.2"], IMAGE=[""]), {}, "lists no instances of the series 1.2"),
    (Peer(IMAGE=["1.3.1"]), {"1.2": {"1.3.1", "1.3.9"}}, "does not list the instance 1.3.9"),
])  # fmt: skip
def test_what_the_peer_does_not_list_is_not_taken_for_held(
    peer: Peer, only: dict[str, set[str] | None], words: str
) -> None:
    plan = listed(peer, StudyPlan("1.1", "P", only))
    plan.held = {("1.1", "1.2", "1.3.1")}
    assert (plan.is_here, words in plan.unlisted) == (False, True)


@pytest.mark.parametrize(("peer", "held", "asked"), [
    (Peer(SERIES=["1.2"], IMAGE=["1.3.1", "1.3.2", "1.3.1"]), [], [("STUDY", None)]),
    (Peer(SERIES=["1.2"], IMAGE=["1.3.1", "1.3.2"]), ["1.3.1"], [("IMAGE", "1.3.2")]),
    (Peer(SERIES=["1.2"], IMAGE=["1.3.1"]), ["1.3.1"], []),
    (Peer(SERIES=["1.2"]), ["1.3.1"], [("STUDY", None)]),
])  # fmt: skip
def test_only_what_is_not_held_is_asked_for(
    peer: Peer, held: list[str], asked: list[tuple[str, str | None]]
) -> None:
    plan = listed(peer, StudyPlan("1.1", "P"))
    plan.held = {("1.1", "1.2", uid) for uid in held}
    if plan.is_here:
        assert asked == []
        return
    requests = [{tag.real: one.text for tag, one in keys.items()} for keys in plan.requests()]
    assert [(one[0x00080052], one.get(INSTANCE.real)) for one in requests] == asked


@pytest.mark.parametrize("uid", ["", "1.1\\2.1", "*", "1.?"])
def test_an_answer_that_names_no_study_is_counted_and_not_asked_for(uid: str) -> None:
    plan = Plan()
    remote = RemoteArchive(Peer(STUDY=[uid, "3.1"]).find)
    assert plan.add(remote, remote_asked(Level.STUDY, [("PatientID", "P")], ())) == 2
    assert (list(plan.studies), plan.unnamed) == (["3.1"], 1)
