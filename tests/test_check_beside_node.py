"""A check beside a node that is stored to: no fault that is none, and nothing lost."""

import threading
from pathlib import Path

from pydicom.dataset import Dataset
from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, StartNode, ct, encoded, send
from test_check import run

SENDERS, EACH, ROUNDS = 3, 12, 6


class Sender(threading.Thread):
    """Stores its instances, and then others in their place, over and over.

    What study and series are called changes too, and which values there are at all.
    """

    def __init__(self, node: RunningNode, number: int, done: threading.Event) -> None:
        super().__init__()
        self.held: dict[Path, bytes] = {}
        self.rounds = 0
        self.refused: list[int] = []
        self._node = node
        self._number = number
        self._done = done

    def run(self) -> None:
        with self._node.association((CT, EXPLICIT)) as association:
            while not self._done.is_set() or self.rounds < ROUNDS:
                for number in range(EACH):
                    data_set = self._instance(number)
                    data = encoded(data_set)
                    status = send(association, CT, str(data_set.SOPInstanceUID), data).Status
                    if status:
                        self.refused.append(status)
                    self.held[self._node.path(data_set)] = data
                self.rounds += 1

    def _instance(self, number: int) -> Dataset:
        study = f"1.2.{self._number % 2}"  # two senders share one
        series = f"{study}.{self._number}.{number % 3}"
        told = self.rounds + number
        return ct(
            study, series, f"{series}.{number}",
            PatientID=f"P{self._number % 2}",
            StudyDescription=f"round {self.rounds}" if told % 2 else None,
            SeriesDescription=f"round {self.rounds}" if told % 3 else None,
            InstanceNumber=str(told), SamplesPerPixel=1, BitsAllocated=8,
            PixelData=told.to_bytes(2, "little") * 8,
        )  # fmt: skip


def test_a_check_and_a_repair_beside_senders_find_nothing_and_lose_nothing(
    start_node: StartNode,
) -> None:
    node, done = start_node(node={"workers": 2}), threading.Event()
    senders = [Sender(node, number, done) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    node.data.joinpath("incoming", "1-left.part").write_bytes(b"none of its business")
    try:
        for options in (("--json",), ("--json", "--repair")) * 4:
            checked = run(node.config, *options)
            assert checked.document["faults"] == []
            assert checked.code == 0
    finally:
        done.set()
        for sender in senders:
            sender.join(CLIENT_SECONDS)
        node.data.joinpath("incoming", "1-left.part").unlink()
    assert [sender.refused for sender in senders] == [[]] * SENDERS
    assert min(sender.rounds for sender in senders) >= ROUNDS
    held = {path: data for sender in senders for path, data in sender.held.items()}
    assert sorted(held) == node.files()
    assert [path for path, data in held.items() if not path.read_bytes().endswith(data)] == []
    last = run(node.config, "--json")
    assert (last.kinds, last.document["held"]["instances"]) == ({}, len(held))
    assert last.code == 0
