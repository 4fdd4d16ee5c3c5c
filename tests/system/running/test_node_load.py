"""Much at once: every acknowledged file is what its sender sent, and every row is its file's."""

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from support import (
    CT,
    EXPLICIT,
    RunningNode,
    StartNode,
    ct,
    data_set_bytes,
    encoded,
    minipacs,
    send,
)

SENDERS = 8


@dataclass
class Senders:
    """What eight senders were told Success for; a worker is killed when so many were."""

    node: RunningNode
    each: int
    kill_at: int
    acknowledged: dict[Path, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send everything, each sender over one association, or as many as it takes."""
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(self._send_all, range(SENDERS)))

    def _send_all(self, sender: int) -> None:
        left = [self._instance(sender, number) for number in range(self.each)]
        while left:
            association = self.node.associate((CT, EXPLICIT), ae_title=f"SENDER{sender}")
            while left and association.is_established:
                data = encoded(left[-1])
                try:
                    response = send(association, CT, left[-1].SOPInstanceUID, data)
                except (AssertionError, RuntimeError):  # its worker was killed: again
                    break
                assert response.Status == 0x0000
                self._acknowledge(left.pop(), data)
            if association.is_established:
                association.release()

    def _acknowledge(self, instance: Dataset, data: bytes) -> None:
        with self._lock:
            self.acknowledged[self.node.path(instance)] = data
            if len(self.acknowledged) == self.kill_at:
                os.kill(self.node.workers[0], signal.SIGKILL)

    def _instance(self, sender: int, number: int) -> Dataset:
        chance = random.Random(f"{sender} {number}")
        series = number % 3
        return ct(
            f"1.2.{sender}",
            f"1.2.{sender}.{series}",
            f"1.2.{sender}.{series}.{number}",
            PatientID=f"P{sender % 3}",
            PatientName=f"Patient^{sender % 3}",
            InstanceNumber=str(number),
            PixelData=chance.randbytes(2 * chance.randrange(1, 60_000)),
        )


@pytest.mark.parametrize("each", [25, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.parametrize("killed", [False, True])
def test_eight_senders_at_once(start_node: StartNode, each: int, killed: bool) -> None:
    node = start_node(node={"workers": 2})
    total = SENDERS * each
    senders = Senders(node, each, kill_at=total // 2 if killed else 0)
    senders.run()
    assert len(senders.acknowledged) == total
    assert node.echoes()
    assert node.stop() == 0
    assert sorted(senders.acknowledged) == node.files()
    wrong = [p for p, data in senders.acknowledged.items() if data_set_bytes(p) != data]
    assert wrong == []
    # Reads every file, holds it to its digest and to its row, and counts.
    checked = minipacs("check", node)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"image={total}, faults=0" in checked.stdout
