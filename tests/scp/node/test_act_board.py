"""What was begun on the page, in memory that the processes of [web] share."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from scp.node.acts import board as rooms
from scp.node.acts.board import DONE, INTERRUPTED, UNDER_WAY, ActBoard
from storage.diagnostics import ResourceError


def test_one_alone_begins_what_many_would() -> None:
    board = ActBoard()
    with ThreadPoolExecutor(16) as threads:
        begun = list(threads.map(lambda _: board.begin("key", {"user": "anna"}), range(64)))
    assert begun.count(True) == 1


def test_another_process_knows_of_it_and_its_end_is_told() -> None:
    board = ActBoard()
    child = os.fork()
    if not child:
        board.begin("key", {"user": "anna"})
        board.put("key", done=3, total=9)
        os._exit(0 if not board.begin("key", {}) else 1)
    assert os.waitpid(child, 0)[1] == 0
    told = board.told("key")
    assert told
    assert (told["state"], told["done"], told["user"]) == (UNDER_WAY, 3, "anna")
    board.put("other", state=DONE)  # of what nobody began nothing is kept
    assert board.told("other") is None
    board.cut_off(child)
    told = board.told("key")
    assert told
    assert told["state"] == INTERRUPTED
    assert not board.begin("key", {})


def test_what_is_under_way_or_may_come_again_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = rooms.time.time()
    board = ActBoard()
    for number in range(512):
        assert board.begin(f"{number}", {})
        if number:
            board.put(f"{number}", state=DONE)
    with pytest.raises(ResourceError, match="within an hour"):
        board.begin("more", {})
    monkeypatch.setattr(rooms.time, "time", lambda: now + rooms.KEPT_SECONDS + 60)
    assert board.begin("more", {})
    assert board.told("0")  # it is under way
    assert board.told("1") is None


def test_what_is_too_long_is_told_as_far_as_there_is_room() -> None:
    board = ActBoard()
    board.begin("key", {})
    board.put("key", details=["x" * 900] * 8, words=[("did_pin",)])
    told = board.told("key")
    assert told
    assert 0 < len(told["details"]) < 8
    assert told["words"] == [["did_pin"]]
