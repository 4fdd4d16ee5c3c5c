"""Whatever comes, one trip enters what is entered statement by statement; nodes at once, too."""

import random
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, zip_longest
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.data.shared_archives import CHARSET, all_rows

from storage import Archive, Received, StoreOutcome
from storage.archive.batch import store_all
from storage.archive.receiving import shared_stores
from storage.archive.receiving.received import Stored
from storage.archive.receiving.shared_stores import _Commit
from storage.dicom.values import Level, Uids
from storage.files import IncomingDataSet
from storage.files.objects.contract import Source
from storage.index.tables import SHARED
from storage.journal.corrections import in_force
from storage.maintenance.changes import correction, deletion
from storage.maintenance.check import check
from storage.maintenance.check.faults import FaultKind
from storage.sharing import table_journal
from storage.sharing.place import SharedPlace, StorePlace

NewNode = Callable[..., Archive]

LONG = "x" * 3000
NAMES = (
    "Weiß^Anna", "WEISS^Anna^", "Æsop^Karl", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "", "Doe^J\\Roe^Jane",
    "Smith^100%_\\[x]", "van der Berg^Anna Maria^B^Dr.^MD", f"Long^{LONG}",
)  # fmt: skip
# What instances say: few of each, so that they agree and contradict each other.
SAID: dict[str, tuple[str, ...]] = {
    "PatientID": ("P1", "P1", "P2", "", LONG),
    "IssuerOfPatientID": ("", "", "HERE"),
    "PatientName": NAMES,
    "OtherPatientNames": ("", *NAMES),
    "PatientSex": ("F", "", "F\\M"),
    "PatientWeight": ("70", "70.0", ""),
    "StudyDate": ("20240131", "20240131\\20250101", ""),
    "StudyDescription": ("HEAD", "C%T", "a\\b", ""),
    "AccessionNumber": ("A1", LONG, ""),
    "Modality": ("CT", "MR"),
    "SeriesNumber": ("1", "01", ""),
    "StationName": ("ONE", "é山", ""),
    "OperatorsName": ("", *NAMES),
}
# Some UIDs are of two levels, against PS3.3 A.1.2.
STUDIES, SERIES, INSTANCES = ("1.1", "1.2", "1.3"), ("2.1", "2.2", "1.1"), ("3.1", "3.2", "2.1")
AT = re.compile('"at":"[^"]*",')
CORRECTIONS = (
    {"PatientName": "Right^Name"}, {"StudyDescription": "CORRECTED"}, {"PatientID": "P2"},
)  # fmt: skip
_OF_PEOPLE = {FaultKind.UIDS_DISAGREE, FaultKind.PATIENTS_DISAGREE}


class Clock:
    """The time of what is stored, in nanoseconds since 1970: of all, or of what a thread stores."""

    def __init__(self) -> None:
        self._all, self._own = 1_800_000_000 * 10**9, threading.local()

    @property
    def now(self) -> int:
        own: int = getattr(self._own, "now", self._all)
        return own

    def advance(self, seconds: int) -> None:
        self._all += seconds * 10**9

    def set_own(self, seconds: int) -> None:
        self._own.now = self._all + seconds * 10**9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """With it a data set has arrived at the same time wherever it has, and no other just then."""
    made, source = Clock(), shared_stores._source

    def arrived(intake: IncomingDataSet) -> tuple[Source, int]:
        return source(intake)[0], made.now + crc32(intake.digest.encode())

    monkeypatch.setattr(shared_stores, "_source", arrived)
    monkeypatch.setattr(
        table_journal, "now", lambda: f"2026-01-01T00:00:{made.now % 60:02d}.000+00:00"
    )
    return made


@pytest.fixture
def elsewhere(place: SharedPlace, tmp_path: Path) -> SharedPlace:
    """Another archive."""
    (tmp_path / "others").mkdir()
    store = StorePlace(f"file://{tmp_path / 'others'}")
    return replace(place, store=store, schema=f"{place.schema}_2")


@pytest.fixture
def slow(new_node: NewNode, elsewhere: SharedPlace, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """A node of the other archive, which enters everything statement by statement."""
    made, send = new_node(elsewhere), shared_stores._send

    def sent(shared: Any, commits: Any) -> None:
        if shared.data != made.tree.data:
            send(shared, commits)

    monkeypatch.setattr(shared_stores, "_send", sent)
    return made


@pytest.fixture
def slow_ones(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Uids]]:
    """What is entered statement by statement, by the folder of its node."""
    found: list[tuple[Path, Uids]] = []
    write = _Commit.write

    def noted(self: _Commit) -> None:
        found.append((self._shared.data, self._header.uids))
        write(self)

    monkeypatch.setattr(_Commit, "write", noted)
    return found


def instance(uids: Uids, **said: object) -> Received:
    held = ct(*uids, SpecificCharacterSet="ISO_IR 192", **said)
    return Received(CT, uids[2], EXPLICIT, encoded(held), CHARSET, "SENDER")


# ---- by chance, one after the other


class Both:
    """The two archives, and what is done to both of them."""

    def __init__(self, archives: Sequence[Archive], clock: Clock, chance: random.Random) -> None:
        self.archives, self.clock, self.chance = archives, clock, chance
        self.stored = 0
        self.done: list[str] = []
        choose = chance.choice
        self.said = [{keyword: choose(texts) for keyword, texts in SAID.items()} for _ in range(3)]

    def step(self) -> None:
        self.clock.advance(self.chance.choice((-3, 1, 1, 1, 2)))
        ways = (self.store, self.store_some, self.delete, self.correct, self.undo)
        (way,) = self.chance.choices(ways, (30, 3, 4, 2, 1))
        self.done.append(way.__name__)
        way()

    def one(self) -> Received:
        choose = self.chance.choice
        said = dict(choose(self.said))
        if self.chance.random() < 0.4:
            keyword = choose(list(SAID))
            said[keyword] = choose(SAID[keyword])
        return instance((choose(STUDIES), choose(SERIES), choose(INSTANCES)), **said)

    def store(self) -> None:
        self.stored += 1
        given = self.one()
        one, other = (archive.store(given) for archive in self.archives)
        assert one == other

    def store_some(self) -> None:
        """Together, and in another order perhaps: what disagrees is told of by one of them."""
        given = [self.one() for _ in range(self.chance.randint(2, 5))]
        found = []
        for archive in self.archives:
            pairs = []
            for one in given:
                intake = archive.receive(CT, one.sop_instance_uid, EXPLICIT)
                intake.write(one.data_set)
                pairs.append((replace(one, data_set=intake), intake))
            found.append(store_all(archive, pairs))
            for _, intake in pairs:
                intake.discard()
        for one, other in zip(*found, strict=True):
            assert (one.outcome, one.uids) == (other.outcome, other.uids), given
        told = [{words for one in results for words in one.disagreements} for results in found]
        assert told[0] == told[1]

    def delete(self) -> None:
        study = self.chance.choice(STUDIES)
        for archive in self.archives:
            list(deletion.delete(archive, archive.locate_below(study)))

    def correct(self) -> None:
        level, uid = self.chance.choice(((Level.PATIENT, "P1"), (Level.STUDY, "1.1")))
        values = self.chance.choice(CORRECTIONS)
        for archive in self.archives:
            correction.correct(archive.tree, (level, uid), values, user="u", before={})

    def undo(self) -> None:
        for archive in self.archives:
            made = [
                one.number for one in in_force(archive.tree.data).all.values() if not one.undone
            ]
            if made:
                correction.undo(archive.tree, min(made), "u")


def told_by(archive: Archive) -> dict[str, list[tuple[Any, ...]]]:
    """All that its tables hold, but for when what was done to both was done."""
    found = all_rows(archive)
    return found | {"lines": [(*one, AT.sub("", line)) for *one, line in found["lines"]]}


def without_speakers(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """The same, without the shared headers that rows above instances name."""
    return {
        table: [row[:-1] for row in rows] if table in SHARED.values() else rows
        for table, rows in found.items()
    }


def differing(
    one: dict[str, list[tuple[Any, ...]]], other: dict[str, list[tuple[Any, ...]]]
) -> list[tuple[object, ...]]:
    """Where two archives differ: the table, what the row is of, and the values."""
    return [
        (table, *row[:5], [pair for pair in zip(row, another, strict=False) if len(set(pair)) > 1])
        for table, rows in one.items()
        for row, another in zip_longest(rows, other[table], fillvalue=())
        if row != another
    ]


def run(archives: Sequence[Archive], clock: Clock, seed: int, steps: int) -> int:
    """Do something by chance, and hold one archive to the other; how much was stored."""
    both = Both(archives, clock, random.Random(seed))
    held = 0
    for _ in range(steps):
        both.step()
        one, other = map(told_by, archives)
        # In the order of the steps: of what was stored together the order may be another.
        lines = [found.pop("lines") for found in (one, other)]
        assert sorted(lines[0][held:]) == sorted(lines[1][held:])
        if "store_some" in both.done:  # and which of them a row's speaker is goes by that order
            one, other = map(without_speakers, (one, other))
        found = differing(one, other)
        assert not found, f"behind {both.done}:\n" + "\n".join(map(str, found))
        held = len(lines[0])
    return both.stored


@pytest.mark.parametrize("seed", range(2))
def test_both_ways_enter_the_same_by_chance(
    new_node: NewNode, slow: Archive, clock: Clock, slow_ones: list[tuple[Path, Uids]], seed: int
) -> None:
    archive = new_node()
    stored = run((archive, slow), clock, seed, 40)
    assert len([folder for folder, _ in slow_ones if folder == archive.tree.data]) < stored
    found = list(check(archive, CHARSET))
    assert {fault.kind for fault in found} <= _OF_PEOPLE


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_both_ways_enter_the_same_for_long(
    new_node: NewNode, slow: Archive, clock: Clock, seed: int
) -> None:
    assert run((new_node(), slow), clock, seed, 80)


# ---- what goes at once, and what does not

FIRST: Uids = ("1.1", "2.1", "3.1")


@pytest.mark.parametrize(("uids", "said", "is_slow"), [
    (("1.1", "2.1", "3.2"), {}, False),
    (("1.1", "2.1", "3.2"), {"SeriesDescription": "said for the first time"}, True),
    (("1.1", "2.1", "3.2"), {"StationName": ""}, False),  # of which the others say more
    (("1.1", "2.2", "3.2"), {"SeriesDescription": "of its own"}, False),
    (("1.1", "2.2", "3.2"), {"StudyDescription": "OTHER"}, True),
    (("1.2", "2.2", "3.2"), {"StudyDescription": "OTHER"}, False),
    (("1.2", "2.2", "3.2"), {"PatientName": "Doe^Other"}, True),
    (("1.2", "2.2", "3.2"), {"PatientName": ""}, False),
    (("1.2", "2.2", "3.2"), {"PatientID": "P2", "PatientName": NAMES[3]}, False),
    (("1.2", "2.2", "3.2"), {"PatientID": "P2", "PatientName": NAMES[5]}, False),
    (("1.2", "2.2", "3.2"), {"IssuerOfPatientID": "HERE", "PatientSex": "M"}, False),
    (("1.2", "2.2", "3.2"), {"PatientID": ""}, False),
    (("1.1", "2.1", "3.2"), {"PatientID": "P2"}, False),  # a study of two patients
    (("1.1", "2.1", "3.1"), {"PatientID": "P2"}, None),  # the instance is held
    (("1.2", "2.1", "3.2"), {}, False),  # a series in two studies
    (("1.2", "2.2", "3.1"), {}, False),  # an instance in two series
    (("2.1", "1.1", "3.2"), {}, False),  # of two levels
])  # fmt: skip
def test_each_kind_of_what_is_new_comes_out_the_same(
    new_node: NewNode, slow: Archive, clock: Clock, slow_ones: list[tuple[Path, Uids]],
    uids: Uids, said: dict[str, str], is_slow: bool | None,
) -> None:  # fmt: skip
    archive, found = new_node(), []
    held = {"StationName": "ONE", "StudyDescription": "HEAD"}
    for one in (archive, slow):
        one.store(instance(FIRST, **held))
    slow_ones.clear()
    for one in (archive, slow):
        found.append(one.store(instance(uids, **{**held, **said})))
    assert found[0] == found[1]
    assert told_by(archive) == told_by(slow)
    if is_slow is not None:
        assert slow_ones == [(archive.tree.data, uids)] * is_slow + [(slow.tree.data, uids)]


def test_of_several_for_one_instance_the_last_is_held(new_node: NewNode) -> None:
    """Also where only that one could be sent at once."""
    archive = new_node()
    archive.store(instance(FIRST))
    uids, pairs = ("1.1", "2.1", "3.2"), []
    for name in ("Other^Name", "Doe^Jane"):
        intake = archive.receive(CT, uids[2], EXPLICIT)
        given = instance(uids, PatientName=name)
        intake.write(given.data_set)
        pairs.append((replace(given, data_set=intake), intake))
    outcomes = [one.outcome for one in store_all(archive, pairs) if isinstance(one, Stored)]
    assert outcomes == [StoreOutcome.STORED, StoreOutcome.REPLACED]
    (held,) = list(archive.locate_below(*uids))
    assert held.digest == pairs[1][1].digest


# ---- nodes at once


def made_of(studies: int, patients: int) -> list[tuple[int, Received]]:
    """What nodes store at once, with when it arrives: all of it new, of few patients and series."""
    return [
        (number, instance(
            (f"1.{number % studies}", f"2.{number % studies}.{number % 2}", f"3.{number}"),
            PatientID=f"P{number % studies % patients}", PatientName="Some^Body",
            StudyDescription=f"study {number % studies}",
        ))
        for number in range(studies * 3)
    ]  # fmt: skip


@pytest.mark.parametrize("disagree", [False, True])
def test_nodes_at_once_enter_what_one_enters_after_the_other(
    new_node: NewNode, slow: Archive, clock: Clock, slow_ones: list[tuple[Path, Uids]],
    disagree: bool,
) -> None:  # fmt: skip
    """The same new patients, studies and series, each opened by all nodes in the same moment."""
    nodes, given = [new_node() for _ in range(4)], made_of(studies=6, patients=2)
    if disagree:
        given = [
            (at, instance(("1.1", "2.1", f"3.{at}"), PatientName=f"Name^{at}", StudyDate="2024"))
            for at in range(8)
        ]
    for node in (*nodes, slow):
        node.store(instance(FIRST_OF_ALL))  # what comes first is looked at statement by statement
    slow_ones.clear()
    begin = threading.Barrier(len(nodes))

    def store(node: Archive, number: int) -> list[StoreOutcome]:
        begin.wait()
        found = []
        for at, one in given:
            clock.set_own(at)
            found.append(node.store(one).outcome)
        return found

    with ThreadPoolExecutor(len(nodes)) as threads:
        outcomes = list(threads.map(store, nodes, count()))
    for at, one in given:
        clock.set_own(at)
        slow.store(one)
    for of_one in zip(*outcomes, strict=True):
        assert sorted(of_one, key=str) == sorted(
            [StoreOutcome.STORED, *[StoreOutcome.UNCHANGED] * (len(nodes) - 1)], key=str
        )
    found, wanted = told_by(nodes[0]), told_by(slow)
    for rows in (found, wanted):
        rows["lines"].sort()
    states = [row[3] for row in found["objects"]]
    assert states.count("held") == len(given) + 1
    found["objects"] = [row for row in found["objects"] if row[3] == "held"]
    assert found == wanted
    assert {fault.kind for fault in check(nodes[0], CHARSET)} <= _OF_PEOPLE


FIRST_OF_ALL: Uids = ("9.1", "9.2", "9.3")
