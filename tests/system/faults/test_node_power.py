"""A power cut under load: what was not synced is gone, what was acknowledged is not.

The disk is a file with ext4 on it, which is shut down at a random instant so that it drops all
that it has not given to the disk. Where nothing can be mounted, a stand-in drops it.
"""

import random
from pathlib import Path

import pytest
from support import RunningNode
from support.checks.faults import Held, Senders, compare
from support.machine.mounts import Disk, can_mount

WORKERS = 2
needs_mounts = pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")


def survive_cuts(folder: Path, seed: int, count: int) -> None:
    print(f"{seed=}")  # shown where it fails
    chance = random.Random(seed)
    folder.mkdir()
    held = Held(refused_may_stay=True)
    with Disk(folder / "disk", mebibytes=256) as disk:
        tables = {"node": {"workers": WORKERS}, "storage": {"path": str(disk.folder / "data")}}
        node = RunningNode(folder, tables)
        try:
            node.start()
            for turn in range(count):
                print(f"{turn=}")
                with Senders(node, held, seed, turn) as senders:
                    senders.wait_for_answers(3)
                    senders.pause(chance.uniform(0, 0.4))
                    disk.cut_power()
                    node.kill()
                assert node.logged(" request failed peer=") == []
                disk.mount_again()
                node.start()
                # What came after the cut can only have been refused.
                assert set(held.refused) <= {0xA700}
                compare(node, held, senders.touched)
            compare(node, held)
            assert node.stop() == 0
        finally:
            if node.is_running:
                node.kill()


@needs_mounts
def test_power_cuts(tmp_path: Path) -> None:
    survive_cuts(tmp_path / "node", random.randrange(1 << 16), 6)


@needs_mounts
@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_power_cuts(tmp_path: Path, seed: int) -> None:
    survive_cuts(tmp_path / "node", seed, 20)
