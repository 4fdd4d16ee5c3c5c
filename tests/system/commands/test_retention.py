"""[retention], `minipacs retain`, `pin` and `unpin`: what goes by itself, and what stays."""

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, StartNode, Tables, ct, encoded, found, minipacs, send
from support.checks.ages import make_old
from support.checks.faults import damage

from storage import Archive, Level, Received, prepare
from storage.journal import pins
from storage.maintenance.changes import deletion, retention
from storage.maintenance.changes.retention import Rules
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.recovery import rebuilding

CHARSET = "ISO_IR 100"
DAY = 86400.0
# Studies of two instances each, and how many days ago the last of them arrived.
AGES = {"1.1": 400, "1.2": 300, "1.3": 200, "1.4": 0}


def uids_of(study: str) -> list[str]:
    return [f"{study}.1.{number}" for number in (1, 2)]


def data_set(study: str, uid: str, name: str = "") -> bytes:
    return encoded(ct(study, f"{study}.1", uid, PatientID=study, StudyDescription=name))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    made = Archive(tmp_path / "data", sync=False)
    for study in AGES:
        for uid in uids_of(study):
            store(made, study, uid)
    for study, days in AGES.items():
        make_old(tmp_path / "data", days, study)
    yield made
    made.index.database.close_all()


def store(archive: Archive, study: str, uid: str, name: str = "") -> None:
    archive.store(Received(CT, uid, EXPLICIT, data_set(study, uid, name), CHARSET))


def held(archive: Archive) -> dict[str, list[str]]:
    """The instances of each study, after a look that all agrees."""
    assert damage(archive) == []
    studies: dict[str, list[str]] = {}
    for path in sorted(archive.tree.walk()):
        studies.setdefault(path.parent.parent.name, []).append(path.stem)
    return studies


def apply(archive: Archive, rules: Rules) -> None:
    plan = retention.plan(archive, rules)
    for due in plan.studies:
        list(retention.retain(archive, due, plan.end, CHARSET))
    list(deletion.purge(plan.superseded, archive))


SIZE = len(data_set("1.1", "1.1.1.1"))
RULES = {
    "none": (Rules(), set()),
    "older than a year": (Rules(days=365), {"1.1"}),
    "older than a day": (Rules(days=1), {"1.1", "1.2", "1.3"}),
    "two studies": (Rules(studies=2), {"1.1", "1.2"}),
    "as many as there are": (Rules(studies=4), set()),
    "the bytes of three": (Rules(bytes=6 * SIZE), {"1.1"}),
    "a byte less": (Rules(bytes=6 * SIZE - 1), {"1.1", "1.2"}),
    "bytes that one fills": (Rules(bytes=1), {"1.1", "1.2", "1.3"}),  # 1.4 is being received
    "age and number": (Rules(days=250, studies=3), {"1.1", "1.2"}),
    "age and a number met by it": (Rules(days=365, studies=3), {"1.1"}),
}


@pytest.mark.parametrize("name", RULES)
def test_the_studies_longest_without_an_arrival_go(archive: Archive, name: str) -> None:
    rules, gone = RULES[name]
    planned = [due.study for due in retention.plan(archive, rules).studies]
    assert planned == sorted(gone)
    assert held(archive).keys() == AGES.keys()  # a plan changes nothing
    apply(archive, rules)
    assert held(archive) == {s: uids_of(s) for s in AGES if s not in gone}
    kept = {one.uids[0] for one in deletion.all_superseded(archive)}
    assert kept == gone


def test_a_pinned_study_stays_also_in_another_index(archive: Archive) -> None:
    pins.pin(archive.journal, "1.1")
    rebuilding.rebuild(archive.tree.data, CHARSET)
    assert [due.study for due in retention.plan(archive, Rules(days=250)).studies] == ["1.2"]
    # It is counted: another one makes room.
    assert [due.study for due in retention.plan(archive, Rules(studies=3)).studies] == ["1.2"]
    pins.unpin(archive.journal, "1.1")
    assert [due.study for due in retention.plan(archive, Rules(studies=3)).studies] == ["1.1"]


def test_what_is_still_to_be_forwarded_stays_and_what_keeps_a_study_is_said(
    archive: Archive,
) -> None:
    pins.pin(archive.journal, "1.2")
    plan = retention.plan(archive, Rules(days=250, studies=1), {"1.1"})
    assert [due.study for due in plan.studies] == ["1.3"]
    assert [(due.study, due.why) for due in plan.staying] == [
        ("1.1", "days=250, and stays: it is still to be forwarded"),
        ("1.2", "days=250, and stays: it is pinned"),
        ("1.4", "held studies=3, at most 1, and stays: something arrived for it within 10 minutes"),
    ]


def test_a_file_without_a_receipt_arrived_when_it_was_written(archive: Archive) -> None:
    (archive.tree.data / "journal" / "receipts.jsonl").write_text("")
    for number, study in enumerate(AGES):
        for path in (archive.tree.root / study).glob("*/*.dcm"):
            os.utime(path, (time.time() - (number + 1) * 10 * DAY,) * 2)
    rebuilding.rebuild(archive.tree.data, CHARSET)
    planned = retention.plan(archive, Rules(days=25)).studies
    assert [due.study for due in planned] == ["1.4", "1.3"]
    assert [round((time.time() - due.arrived) / DAY) for due in planned] == [40, 30]


def set_year(data: Path, study: str, at: str) -> None:
    """What a machine wrote while its clock was wrong."""
    path = data / "journal" / "receipts.jsonl"
    lines = path.read_text().split("\n")
    path.write_text("\n".join(
        re.sub(r'"at":"[^"]*"', f'"at":"{at}T00:00:00.000+00:00"', line)
        if f'["{study}' in line else line
        for line in lines
    ))  # fmt: skip


@pytest.mark.parametrize("study", ["1.1", "1.2", "1.3", "1.4"])
@pytest.mark.parametrize("at", ["1970-01-01", "2000-01-01", "2021-05-05", "2035-01-01"])
def test_a_time_that_the_lines_around_it_contradict_lets_nothing_go(
    archive: Archive, study: str, at: str
) -> None:
    set_year(archive.tree.data, study, at)
    plan = retention.plan(archive, Rules(days=250))
    is_plain = at == "2021-05-05" and study == "1.1"  # the first lines: nothing contradicts them
    expected = {"1.1", "1.2"} - ({study} if not is_plain else set())
    gone = {due.study for due in plan.studies}
    # Between two that are due it is due too: it was written before the later one.
    assert gone == expected | ({"1.1"} if study == "1.1" else set())
    assert bool(plan.wrong) is not is_plain
    assert all(study in words for words in plan.wrong)


def test_one_line_alone_of_a_clock_that_began_anew(archive: Archive) -> None:
    for study in AGES:
        set_year(archive.tree.data, study, "2000-01-01")
    plan = retention.plan(archive, Rules(days=365))
    assert plan.studies == ()
    assert len(plan.wrong) == len(AGES)


@pytest.mark.parametrize("what", ["another", "the first anew", "the last anew", "a pin"])
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_what_arrives_meanwhile_saves_the_study(archive: Archive, what: str, moved: int) -> None:
    plan = retention.plan(archive, Rules(days=365))
    run = retention.retain(archive, plan.studies[0], plan.end, CHARSET)
    assert sum(next(run) for _ in range(moved)) == moved
    expected = uids_of("1.1")
    if what == "another":
        store(archive, "1.1", "1.1.1.3")
        expected = [*expected, "1.1.1.3"]
    elif what == "a pin":
        pins.pin(archive.journal, "1.1")
    else:
        store(archive, "1.1", uids_of("1.1")[what == "the last anew"], "new")
    list(run)
    assert held(archive)["1.1"] == expected
    if "anew" in what:
        path = archive.tree.path(("1.1", "1.1.1", uids_of("1.1")[what == "the last anew"]))
        assert b"new" in path.read_bytes()
    assert len(selected(archive, Selection(Level.STUDY, "1.1"))) == len(expected)


def test_what_was_superseded_long_ago_is_purged_but_not_of_a_pinned_study(
    archive: Archive,
) -> None:
    apply(archive, Rules(days=250))
    for one in list(deletion.all_superseded(archive)):
        since = time.time_ns() - int(31 * DAY) * 1_000_000_000
        instance = one.path.stem.rpartition(".")[0]
        one.path.rename(one.path.with_name(f"{instance}.{since}.dcm"))
    pins.pin(archive.journal, "1.2")
    apply(archive, Rules(superseded_days=32))
    assert len(list(deletion.all_superseded(archive))) == 4
    apply(archive, Rules(superseded_days=30))
    assert {one.uids[0] for one in deletion.all_superseded(archive)} == {"1.2"}
    assert held(archive).keys() == {"1.3", "1.4"}


STRANGE = [
    {"study": ["1.1"], "pinned": True},
    {"study": "1.1", "pinned": "yes"},
    {"pinned": True},
    {"kind": "of a later version", "study": None},
]


@pytest.mark.parametrize("line", STRANGE, ids=str)
def test_a_line_of_pins_that_nobody_knows_is_passed_over(
    archive: Archive, line: dict[str, object]
) -> None:
    archive.journal.append(pins.PINS, study="1.2", pinned=True, reason="a key of a later version")
    archive.journal.append(pins.PINS, **line)
    assert list(pins.pinned(archive.journal)) == ["1.2"]


# ---- as a user runs it


def started(start_node: StartNode, rules: Tables) -> RunningNode:
    node = start_node(retention=rules)
    for study in AGES:
        with node.association((CT, EXPLICIT)) as association:
            for uid in uids_of(study):
                assert send(association, CT, uid, data_set(study, uid)).Status == 0
    for study, days in AGES.items():
        make_old(node.data, days, study)
    return node


def studies(node: RunningNode) -> set[str]:
    return {study for study in AGES if found(node, study, f"{study}.1")}


def audited(node: RunningNode, event: str) -> list[dict[str, object]]:
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def test_retain_tells_study_by_study_and_asks(start_node: StartNode) -> None:
    node = started(start_node, {"days": 250})
    dry = minipacs("apply-retention", node, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    first, second, sums = dry.stdout.splitlines()
    day = datetime.fromtimestamp(time.time() - 400 * DAY, UTC).date()
    assert re.fullmatch(
        rf"study 1\.1: arrived={day}T\S+, instances=2, bytes={2 * SIZE}: days=250", first
    )
    assert second.startswith("study 1.2: ")
    assert sums.startswith("studies=2, instances=4, ")
    assert sums.endswith("to go")
    assert minipacs("apply-retention", node).returncode in (0, 1)  # nobody answers
    assert studies(node) == set(AGES)
    done = minipacs("apply-retention", node, "--yes")
    assert done.stdout.splitlines()[-1] == "let go: studies=2 instances=4 purged files=0"
    assert studies(node) == {"1.3", "1.4"}
    (told,) = audited(node, "retain")
    assert (told["studies"], told["instances"], told["outcome"]) == (["1.1", "1.2"], 4, "done")
    assert minipacs("check", node).returncode == 0
    # What comes back has arrived now.
    assert minipacs("restore", node, "--study", "1.1").returncode == 0
    assert minipacs("apply-retention", node, "-y").stdout.startswith("studies=0, ")
    assert studies(node) == {"1.1", "1.3", "1.4"}
    assert minipacs("retain", node, "--dry-run").stdout.startswith("studies=0, ")  # its former name


def test_pinned_studies_are_listed_and_stay(start_node: StartNode) -> None:
    node = started(start_node, {"days": 250})
    assert minipacs("pin", node, "--study", "1.1").stdout == "study 1.1 pinned, instances=2\n"
    assert minipacs("pin", node, "--study", "1.1").stdout == "study 1.1 is pinned already\n"
    listed = minipacs("pin", node).stdout.splitlines()
    assert re.fullmatch(r"study 1\.1 pinned since=\S+", listed[0])
    assert listed[1:] == ["pinned studies=1"]
    (pinned,) = json.loads(minipacs("pin", node, "--json").stdout)
    assert (pinned["study"], listed[0].endswith(pinned["since"])) == ("1.1", True)
    assert minipacs("pin", node, "--json", "--study", "1.2").returncode == 2
    planned = json.loads(minipacs("apply-retention", node, "--dry-run", "--json").stdout)
    assert [one["study"] for one in planned["goes"]] == ["1.2"]
    (stays,) = planned["stays"]
    assert (stays["study"], stays["why"]) == ("1.1", "days=250, and stays: it is pinned")
    assert planned["done"] == {"studies": 0, "instances": 0, "purged": 0}
    assert minipacs("apply-retention", node, "--json").returncode == 2
    told = minipacs("apply-retention", node, "-y").stdout
    assert "instances=2, bytes=" in told
    assert "days=250, and stays: it is pinned" in told
    assert studies(node) == {"1.1", "1.3", "1.4"}
    assert minipacs("unpin", node, "--study", "1.1").stdout == "study 1.1 unpinned\n"
    done = json.loads(minipacs("apply-retention", node, "-y", "--json").stdout)
    assert [one["study"] for one in done["goes"]] == ["1.1"]
    assert done["done"] == {"studies": 1, "instances": 2, "purged": 0}
    assert studies(node) == {"1.3", "1.4"}
    assert [audited(node, event)[0]["studies"] for event in ("pin", "unpin")] == [["1.1"]] * 2


APPLY = "apply-retention"
WRONG = {
    "a study that is not held": (("pin", "--study", "9.9"), {}, "study 9.9: nothing is held"),
    "no pin to take": (("unpin", "--study", "1.1"), {}, "study 1.1: is not pinned"),
    "no study to unpin": (("unpin",), {}, "--study"),
    "no rule": ((APPLY, "-y"), {}, "[retention]: takes a rule"),
    "zero": ((APPLY,), {"days": 0}, "[retention] days: takes an integer of 1 or more, not 0"),
    "negative": ((APPLY,), {"bytes": -1}, "[retention] bytes: takes an integer of 1 or more"),
    "text": ((APPLY,), {"studies": "many"}, '[retention] studies: takes an integer of 1'),
    "a fraction": ((APPLY,), {"days": 1.5}, "[retention] days: takes an integer of 1 or more"),
    "an unknown rule": ((APPLY,), {"weeks": 1}, "[retention] weeks: unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_told_and_changes_nothing(start_node: StartNode, name: str) -> None:
    (command, *options), rules, words = WRONG[name]
    node = start_node()
    node.configure({"retention": rules})
    done = minipacs(command, node, *options)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in " ".join(done.stderr.split())
    assert not (node.data / "journal" / "pins.jsonl").exists()


def test_the_node_applies_its_rules_by_itself_and_takes_over_changed_ones(tmp_path: Path) -> None:
    node = RunningNode(tmp_path)
    node.constants = {
        "scp.node.upkeep.retention._FIRST_SECONDS": 0.0,
        "scp.node.upkeep.retention._EVERY_SECONDS": 1.0,
    }
    node.start()
    try:
        for study in AGES:
            with node.association((CT, EXPLICIT)) as association:
                for uid in uids_of(study):
                    assert send(association, CT, uid, data_set(study, uid)).Status == 0
        for study, days in AGES.items():
            make_old(node.data, days, study)
        node.configure({"retention": {"days": 365}})
        node.reload()
        node.wait_for_log("retention takes study 1.1: ", "days=365")
        node.wait_for_log("retention done studies=1 instances=2")
        assert studies(node) == {"1.2", "1.3", "1.4"}
        node.configure({"retention": {"studies": 1}})
        mark = node.mark()
        node.reload()
        node.wait_for_log("retention done studies=2 instances=4", after=mark)
        assert studies(node) == {"1.4"}
        assert [told["instances"] for told in audited(node, "retain")] == [2, 4]
        assert node.stop() == 0
        assert not node.bugs()
    finally:
        if node.is_running:
            node.kill()
