"""A power cut with the log in every state: what was acknowledged is there, what went stays gone.

Instances are stored, replaced, deleted, put back and corrected; at each sync a stand-in for the
disk forgets what was not synced, or some of it. The start that follows is cut off as well.
"""

import random
import shutil
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, data_set_bytes, encoded
from support.checks.faults import damage
from support.machine.synced_disk import SyncedDisk

from storage import Archive, Level, Received, prepare
from storage.archive.receiving.log import log
from storage.dicom.values.uids import Uids
from storage.maintenance.changes import correction, deletion
from storage.maintenance.changes.selections import AnyUid, Selection, selected
from storage.maintenance.check.faults import FaultKind
from storage.maintenance.recovery.rebuilding import rebuild

CHARSET = "ISO_IR 100"
UIDS = [(f"1.{n % 2}", f"1.{n % 2}.{n % 3}", f"1.9.{n}") for n in range(6)]
NOTHING = b""
Contents = dict[Uids, set[bytes]]


class Run:
    """Operations on one folder, and what may be there after each."""

    def __init__(self, folder: Path, seed: int, cuts: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.data = folder / "data"
        prepare(self.data, sync=True, charset=CHARSET)
        self.archive = Archive(self.data, sync=True, logged=True)
        self.held: dict[Uids, bytes] = {}
        self.sent: set[str] = set()  # digests of all that was ever sent
        self.under_way: tuple[Uids, bytes] | None = None
        self.cuts: list[tuple[Path, Contents]] = []
        self._wanted, self._numbers = cuts, iter(range(10_000))
        self.disk = SyncedDisk(self.data)
        self.lock = threading.RLock()

    def cut(self) -> None:
        """Have a copy of what a power cut leaves now, one time of some."""
        with self.lock:
            if len(self.cuts) >= self._wanted or self.chance.random() > 0.2:
                return
            may_be: Contents = {uids: {content} for uids, content in self.held.items()}
            if self.under_way:
                uids, content = self.under_way
                may_be[uids] = may_be.get(uids, {NOTHING}) | {content}
            chance = self.chance if self.chance.random() < 0.5 else None
            folder = self.folder / f"cut{next(self._numbers)}"
            self.cuts.append((self.disk.after_a_cut(folder, chance), may_be))

    def run(self, count: int) -> None:
        for _ in range(count):
            self._operate()
        self.archive.close()
        self.archive.index.database.close_all()

    def _operate(self) -> None:
        uids = self.chance.choice(UIDS)
        kind = self.chance.random()
        if kind < 0.55:
            self._store(uids, self.chance.randrange(3))
        elif kind < 0.75 and uids in self.held:
            chosen = list(selected(self.archive, Selection(Level.IMAGE, uids[2])))
            self._do(uids, NOTHING, lambda: list(deletion.delete(self.archive, chosen)))
        elif kind < 0.9 and uids not in self.held:
            kept = deletion.restorable(self.archive, AnyUid(uids[2]), CHARSET)
            if kept:
                content = data_set_bytes(kept[0].path)
                self._do(uids, content, lambda: list(deletion.restore(self.archive, kept, CHARSET)))
        elif uids in self.held:
            correction.correct(
                self.archive.tree, (Level.STUDY, uids[0]),
                {"StudyDescription": str(self.chance.random())}, user="x", before={},
            )  # fmt: skip

    def _store(self, uids: Uids, version: int) -> None:
        size = self.chance.choice([10, 10, 70_000, 1_200_000])
        name = f"{version}^{uids[2]}"
        data = encoded(ct(*uids, PatientID=uids[0], PatientName=name, PixelData=bytes(size)))
        self.sent.add(sha256(data).hexdigest())
        received = Received(CT, uids[2], EXPLICIT, data, CHARSET)
        self._do(uids, data, lambda: self.archive.store(received))

    def _do(self, uids: Uids, content: bytes, work) -> None:  # type: ignore[no-untyped-def]
        with self.lock:
            self.under_way = uids, content
        work()
        with self.lock:
            if content:
                self.held[uids] = content
            else:
                self.held.pop(uids, None)
            self.under_way = None
        self.cut()


def started(data: Path) -> Archive:
    if not prepare(data, sync=True, charset=CHARSET):
        rebuild(data, CHARSET)
    return Archive(data, sync=False)


def compare(data: Path, may_be: Contents, sent: set[str]) -> None:
    """What is there after the next start may be there, is found, and is whole."""
    archive = started(data)
    try:
        found = {
            (path.parent.parent.name, path.parent.name, path.stem): data_set_bytes(path)
            for path in archive.tree.walk()  # type: ignore[attr-defined]
        }
        for uids in may_be.keys() | found.keys():
            allowed = may_be.get(uids, {NOTHING})
            assert found.get(uids, NOTHING) in allowed, (data, uids, len(found.get(uids, NOTHING)))
        # That a folder was removed is not synced, and looked at once.
        assert {fault.kind for fault in damage(archive)} <= {FaultKind.EMPTY_FOLDER}
        for kept in archive.tree.superseded.walk():
            assert sha256(data_set_bytes(kept)).hexdigest() in sent, kept
        assert list((data / "log").glob("*")) == []
    finally:
        archive.index.database.close_all()


def survive(folder: Path, seed: int, cuts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"{seed=}")  # shown where it fails
    chance = random.Random(f"{seed} checkpoints")
    monkeypatch.setattr(log, "CHECKPOINT_SECONDS", chance.choice([0.0, 0.02, 1e9]))
    monkeypatch.setattr(log, "FIRST_BYTES", 1_300_000)
    monkeypatch.setattr(log, "SEGMENT_BYTES", 1_300_000)
    run = Run(folder, seed, cuts)
    with run.disk.noting(run.cut):
        run.run(40)
    shutil.rmtree(run.data)
    for data, may_be in run.cuts:
        if chance.random() < 0.3:
            cut_off_again(data, may_be, run.sent, chance)
        compare(data, may_be, run.sent)
        shutil.rmtree(data)


def cut_off_again(data: Path, may_be: Contents, sent: set[str], chance: random.Random) -> None:
    """The start that follows loses its power, too."""
    data = shutil.copytree(data, data.with_name(f"{data.name}-again"))
    disk, copies = SyncedDisk(data), iter(range(1000))
    again: list[Path] = []

    def cut() -> None:
        if chance.random() < 0.05 and len(again) < 3:
            again.append(disk.after_a_cut(data.with_name(f"{data.name}-{next(copies)}"), chance))

    with disk.noting(cut):
        started(data).index.database.close_all()
    shutil.rmtree(data)
    for one in again:
        compare(one, may_be, sent)
        shutil.rmtree(one)


def test_stand_in_what_was_acknowledged_survives_with_the_log_in_any_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(2):
        folder = tmp_path / f"{turn}"
        folder.mkdir()
        survive(folder, random.randrange(1 << 20), 10, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100))
def test_stand_in_many_cuts(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    survive(tmp_path, seed, 20, monkeypatch)
