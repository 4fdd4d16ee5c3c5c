"""`minipacs compact`, and the node that does it by itself, beside stores."""

import json
import threading
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send

from storage.journal import RECEIPTS, FolderJournal

# Some receipts fill a segment, and what goes gives room back at once.
SMALL = {
    "storage.journal.segments.reader.SEGMENT_BYTES": 2000,
    "storage.journal.segments.reader.TAIL_BYTES": 400,
    "storage.journal.segments.rewriting.BLOCK_BYTES": 64,
}
OFTEN = {
    "scp.node.upkeep.compaction._FIRST_SECONDS": 0.0,
    "scp.node.upkeep.compaction._EVERY_SECONDS": 0.2,
    "scp.node.upkeep.index_keeper._SETTLE_SECONDS": 0.2,
}
GONE, STAYS = "1.1", "1.2"


def store(node: RunningNode, study: str, numbers: range) -> None:
    with node.association((CT, EXPLICIT)) as association:
        for number in numbers:
            uid = f"{study}.{number}"
            data_set = encoded(ct(study, f"{study}.0", uid))
            assert send(association, CT, uid, data_set).Status == 0


def received(node: RunningNode) -> list[str]:
    lines = FolderJournal(node.data, sync=False).read(RECEIPTS)
    return [line["uids"][2] for line in lines if not line.get("withdrawn")]


def let_go(node: RunningNode) -> None:
    assert minipacs("delete", node, "--study", GONE, "--yes").returncode == 0
    assert minipacs("purge", node, "--older-than", "0h", "--yes").returncode == 0


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_node_does_it_by_itself_while_it_receives(tmp_path: Path, is_killed: bool) -> None:
    node = RunningNode(tmp_path)
    node.constants = {**SMALL, **OFTEN}
    node.start()
    try:
        store(node, GONE, range(1, 40))
        let_go(node)
        storing = threading.Thread(target=store, args=(node, STAYS, range(1, 80)))
        storing.start()
        node.wait_for_log("journal compacted segments=")
        storing.join()
        assert received(node)[-79:] == [f"{STAYS}.{number}" for number in range(1, 80)]
        assert len(received(node)) < 79 + 39
        if is_killed:
            node.kill()
            node.start()
        done = minipacs("check", node)
        assert done.returncode == 0, done.stdout
        held = json.loads(minipacs("stats", node, "--json").stdout)["by_sender"]
        assert sum(share["instances"] for share in held.values()) == 79
        assert not node.bugs()
    finally:
        node.stop()


def test_the_command_says_what_it_would_give_back_and_gives_it(tmp_path: Path) -> None:
    """With segments of their real size, and receipts of much text."""
    node = RunningNode(tmp_path)
    node.start()
    try:
        done = minipacs("compact", node)
        assert (done.returncode, done.stdout) == (
            0,
            "compacted segments=0 lines=0, 0 B given back\n",
        )
        node.stop()
        journal = FolderJournal(node.data, sync=False)
        for number in range(1300):
            uids = ("9.1", "9.2", f"9.3.{number}")
            journal.write(
                RECEIPTS, uids=uids, syntax=EXPLICIT, bytes=1, digest="d" * 64, charset="",
                sender="x" * 30_000,
            )  # fmt: skip
            journal.write(RECEIPTS, uids=uids, withdrawn=True, deleted=True)
        journal.close()
        node.start()
        store(node, STAYS, range(1, 3))
        node.stop()
        dry = minipacs("compact", node, "--dry-run")
        path = node.data / "journal/receipts" / f"{0:015d}.jsonl"
        before = path.stat()
        assert dry.stdout.startswith("segments=1 lines=")
        assert dry.stdout.endswith("to be given back\n")
        done = minipacs("compact", node, "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["segments"], told["stopped"]) == (0, 1, "")
        after = path.stat()
        assert after.st_size == before.st_size
        assert (before.st_blocks - after.st_blocks) * 512 >= told["bytes"] > 16_000_000
        assert received(node)[-2:] == [f"{STAYS}.1", f"{STAYS}.2"]
        assert minipacs("check", node).returncode == 0
    finally:
        node.stop()
