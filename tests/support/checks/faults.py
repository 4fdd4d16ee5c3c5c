"""Senders that remember what was acknowledged, and a full comparison of that with a node."""

import random
import signal
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pynetdicom.association import Association

from storage import Archive
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import Fault, FaultKind
from support import (
    CT,
    EXPLICIT,
    FIND,
    RunningNode,
    ct,
    data_set_bytes,
    encoded,
    find,
    got,
    send,
)
from support.program import run

CHARSET = "ISO_IR 100"
SMALL, LARGE = (1_000, 40_000), (1_000_000, 2_000_000)  # bytes of pixel data, even

Uids = tuple[str, str, str]


@dataclass(frozen=True)
class Content:
    """A version of an instance: what makes its bytes, and the digest of these."""

    uids: Uids
    version: int
    pixel_bytes: int
    digest: str = ""

    @property
    def label(self) -> str:
        """What C-FIND tells the version by."""
        return f"V{self.version}"

    def data_set(self) -> bytes:
        """The data set, the same each time."""
        chance = random.Random(f"{self.uids} {self.version}")
        study, series, instance = self.uids
        pixels = chance.randbytes(self.pixel_bytes // 2 * 2)
        patient = study.rsplit(".", 1)[0]
        return encoded(
            ct(
                study,
                series,
                instance,
                PatientID=patient,
                ContentLabel=self.label,
                PixelData=pixels,
            )
        )


@dataclass
class Held:
    """What may be held of each instance: what was acknowledged last, or came after that."""

    acknowledged: dict[Uids, Content] = field(default_factory=dict)
    open: dict[Uids, Content] = field(default_factory=dict)  # sent, and no answer came
    refused: dict[int, list[str]] = field(default_factory=dict)  # status -> Error Comments
    refused_may_stay: bool = False  # where the disk dies there is nobody to clean up

    def settle(self, files: dict[Uids, str]) -> None:
        """Take what lies in the tree for what is held, where there was a choice."""
        for uids, content in self.open.items():
            if files.get(uids) == content.digest:
                self.acknowledged[uids] = content
        self.open.clear()


class Senders:
    """Clients that store until they are told to stop, over new associations where one ends.

    Each has instances of its own, so that what is sent for one follows on its answers.
    """

    def __init__(
        self, node: RunningNode, held: Held, seed: int, turn: int = 0, count: int = 3
    ) -> None:
        self.node, self.held, self.count = node, held, count
        self.touched: set[str] = set()  # the studies that something was sent for
        self._seed, self._turn = seed, turn
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._answers = 0
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Senders":
        for number in range(self.count):
            self._threads.append(threading.Thread(target=self._run, args=(number,), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a sender hangs"
        if self._failures and kind is None:
            raise self._failures[0]

    def wait_for_answers(self, more: int, seconds: float = 60) -> None:
        """Wait until so many more requests were answered."""
        with self._changed:
            wanted = self._answers + more
            assert self._changed.wait_for(
                lambda: self._answers >= wanted or self._failures, seconds
            )

    def pause(self, seconds: float) -> None:
        """Let them send for a while."""
        self._stop.wait(seconds)

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {self._turn} {number}")
        try:
            while not self._stop.is_set():
                self._send_over_one(number, chance)
        except BaseException as error:
            with self._changed:
                self._failures.append(error)
                self._changed.notify_all()

    def _send_over_one(self, number: int, chance: random.Random) -> None:
        association = self.node.associate((CT, EXPLICIT), ae_title=f"SENDER{number}")
        if not association.is_established:  # the node is gone, or going
            self._stop.wait(0.05)
            return
        while not self._stop.is_set() and self._send(association, self._next(number, chance)):
            pass
        if association.is_established:
            association.release()
        else:
            association.abort()

    def _next(self, number: int, chance: random.Random) -> Content:
        """A new instance, the same again, or other content for one that is held."""
        own = f"1.2.{self._seed}.{number}"
        with self._changed:
            # What becomes of one whose answer did not come is not known yet.
            sure = self.held.acknowledged.keys() - self.held.open.keys()
            mine = sorted(uids for uids in sure if uids[0].startswith(f"{own}."))
        kind = chance.random()
        low, high = LARGE if chance.random() < 0.08 else SMALL
        if mine and kind < 0.15:
            return self.held.acknowledged[chance.choice(mine)]
        if mine and kind < 0.4:
            old = self.held.acknowledged[chance.choice(mine)]
            # The same length as often as not: then only the digest tells them apart.
            size = old.pixel_bytes if chance.random() < 0.5 else chance.randrange(low, high)
            return Content(old.uids, chance.randrange(10_000, 99_999), size)
        instance = chance.randrange(1 << 40)
        study = f"{own}.{self._turn}"
        series = f"{study}.{instance % 3}"
        uids = (study, series, f"{series}.{instance}")
        return Content(uids, chance.randrange(10_000, 99_999), chance.randrange(low, high))

    def _send(self, association: Association, content: Content) -> bool:
        """False where the connection is gone."""
        data = content.data_set()
        content = Content(
            content.uids, content.version, content.pixel_bytes, sha256(data).hexdigest()
        )
        with self._changed:
            self.held.open[content.uids] = content
            self.touched.add(content.uids[0])
        try:
            response = send(association, CT, content.uids[2], data)
        except (AssertionError, RuntimeError):  # the connection ended with a process
            return False
        with self._changed:
            if response.Status == 0x0000:
                self.held.acknowledged[content.uids] = content
            else:
                comments = self.held.refused.setdefault(int(response.Status), [])
                comments.append(str(getattr(response, "ErrorComment", "")))
            if response.Status == 0x0000 or not self.held.refused_may_stay:
                del self.held.open[content.uids]
            self._answers += 1
            self._changed.notify_all()
        return True


def files(data: Path) -> dict[Uids, str]:
    """What lies in the tree: UIDs -> digest of the data set."""
    return {
        (path.parent.parent.name, path.parent.name, path.stem): sha256(
            data_set_bytes(path)
        ).hexdigest()
        for path in (data / "tree").glob("*/*/*.dcm")
    }


def faults(data: Path) -> list[Fault]:
    """What `minipacs check` finds."""
    archive = Archive(data)
    try:
        return damage(archive)
    finally:
        archive.index.database.close_all()


def damage(archive: Archive) -> list[Fault]:
    """The same, without what lies in the instances themselves: one patient by several names."""
    found = check(archive, CHARSET)
    return [fault for fault in found if fault.kind is not FaultKind.PATIENTS_DISAGREE]


def compare(node: RunningNode, held: Held, studies: Iterable[str] | None = None) -> None:
    """Everything acknowledged is in the tree, whole, and nothing else is, nor half of anything.

    It is found and retrieved by C-FIND and C-GET, of all studies or of some.
    """
    lying = files(node.data)
    held_before = dict(held.acknowledged)
    for uids, content in held_before.items():
        may_be = {content.digest}
        if uids in held.open:
            may_be.add(held.open[uids].digest)
        assert lying.get(uids) in may_be, f"{uids} {content.label} is not there as it was sent"
    for uids, digest in lying.items():
        known = [c.digest for c in (held_before.get(uids), held.open.get(uids)) if c]
        assert digest in known, f"{uids} was never sent like this"
    held.settle(lying)
    assert node.incoming() == []
    assert faults(node.data) == []
    for study in sorted({uids[0] for uids in lying}.intersection(studies or {u[0] for u in lying})):
        _compare_study(node, study, {u: c for u, c in held.acknowledged.items() if u[0] == study})


def _compare_study(node: RunningNode, study: str, wanted: dict[Uids, Content]) -> None:
    found: dict[str, str] = {}
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        for series in sorted({uids[1] for uids in wanted}):
            rows, final = find(
                association,
                FIND["STUDY"],
                "IMAGE",
                StudyInstanceUID=study,
                SeriesInstanceUID=series,
                SOPInstanceUID="",
                ContentLabel="",
            )
            assert final.Status == 0x0000
            found |= {str(row.SOPInstanceUID): str(row.ContentLabel) for row in rows}
    assert found == {uids[2]: content.label for uids, content in wanted.items()}
    assert {u: sha256(d).hexdigest() for u, d in got(node, study).items()} == {
        uids[2]: content.digest for uids, content in wanted.items()
    }


# The command with kill -9 at the given call of a function, before it does anything.
KILLED = """
import os, pkgutil, signal
owner, name = {step!r}.rsplit(".", 1)
owner, calls = pkgutil.resolve_name(owner), 0
real = getattr(owner, name)
def killed(*given, **named):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(owner, name, killed)
from scp.cli import main
main()
"""


def killed(node: RunningNode, step: str, call: int, command: str, *options: str) -> None:
    """Run a command that is killed at a moment."""
    code = KILLED.format(step=step, call=call)
    done = run(command, "-c", node.config, *options, code=code)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
