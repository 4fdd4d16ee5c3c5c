"""`minipacs delete`, `restore` and `purge`, as a user runs them, and at the moments that matter."""

import json
import pkgutil
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import (
    CT,
    EXPLICIT,
    RunningNode,
    StartNode,
    ct,
    encoded,
    found,
    got,
    minipacs,
    send,
)
from support.checks.faults import damage

from storage import Archive, Level, Received, catch_up, prepare, settle_index
from storage.diagnostics.errors import ResourceError
from storage.dicom.values.uids import Uids
from storage.files.digests import digest_of_file
from storage.index.writer import digest_in
from storage.journal import RECEIPTS
from storage.journal.receipts import Receipt, in_journal
from storage.maintenance.changes import deletion
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.recovery import rebuilding

CHARSET = "ISO_IR 100"
# Study, series, instance and patient of what lies in the archive.
HELD = [
    ("1.1", "1.2", "1.3.1", "P1"), ("1.1", "1.2", "1.3.2", "P1"), ("1.1", "1.4", "1.3.3", "P1"),
    ("2.1", "2.2", "2.3.1", "P1"), ("3.1", "3.2", "3.3.1", "P2"),
]  # fmt: skip
SELECTIONS = {
    "patient": ("P1", 4), "study": ("1.1", 3), "series": ("1.2", 2), "instance": ("1.3.3", 1),
}  # fmt: skip


def data_set(study: str, series: str, instance: str, patient: str, name: str = "") -> bytes:
    return encoded(ct(study, series, instance, PatientID=patient, StudyDescription=name))


def run(node: RunningNode, *given: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    done = minipacs(given[0], node, *given[1:], answer=answer)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    started = start_node()
    with started.association((CT, EXPLICIT), ae_title="CT1") as association:
        for one in HELD:
            assert send(association, CT, one[2], data_set(*one)).Status == 0
    return started


def tree(node: RunningNode) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in node.files()}


def senders(node: RunningNode) -> dict[str, int]:
    document = json.loads(run(node, "stats", "--json").stdout)
    return {name: share["instances"] for name, share in document["by_sender"].items()}


@pytest.mark.parametrize("level", SELECTIONS)
def test_what_is_deleted_is_gone_for_all_and_comes_back_as_it_was(
    node: RunningNode, level: str
) -> None:
    uid, count = SELECTIONS[level]
    before = tree(node)
    done = run(node, "delete", f"--{level}", uid, "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0, f"deleted instances={count}: `minipacs restore` brings them back",
    )  # fmt: skip
    assert len(tree(node)) == len(HELD) - count
    assert len(found(node, "1.1", "1.2")) == (2 if level == "instance" else 0)
    assert len(got(node, "2.1")) == (0 if level == "patient" else 1)
    assert run(node, "check").returncode == 0
    back = run(node, "restore", f"--{level}", uid)
    assert (back.returncode, back.stdout) == (0, f"restored instances={count}\n")
    assert tree(node) == before
    assert len(found(node, "1.1", "1.2")) == 2
    assert run(node, "check").returncode == 0
    assert senders(node) == {"CT1": len(HELD)}
    assert list((node.data / "superseded").iterdir()) == []
    told = [json.loads(x) for x in (node.data / "audit" / "audit.jsonl").read_text().splitlines()]
    assert [one["instances"] for one in told if one["event"] in ("delete", "restore")] == [
        count
    ] * 2


def test_nothing_is_deleted_without_a_yes(node: RunningNode) -> None:
    before = tree(node)
    for answer in ("n\n", "\n", ""):
        done = run(node, "delete", "--study", "1.1", answer=answer)
        assert "study 1.1: studies=1, instances=3, " in done.stdout
        assert done.returncode in (0, 1)
    assert tree(node) == before
    assert run(node, "delete", "--study", "1.1", answer="y\n").returncode == 0
    assert len(tree(node)) == 2


def test_what_was_deleted_can_be_sent_again_and_then_stays(node: RunningNode) -> None:
    run(node, "delete", "--instance", "1.3.3", "-y")
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "1.3.3", data_set(*HELD[2], "new")).Status == 0
    done = run(node, "restore", "--instance", "1.3.3")
    assert done.returncode == 1
    assert "nothing in superseded/ that is not held" in done.stdout
    assert tree(node)["1.3.3"].endswith(data_set(*HELD[2], "new"))
    assert run(node, "check").returncode == 0


def test_only_the_last_of_several_comes_back(node: RunningNode) -> None:
    for name in ("second", "third"):
        with node.association((CT, EXPLICIT)) as association:
            assert send(association, CT, "1.3.3", data_set(*HELD[2], name)).Status == 0
    run(node, "delete", "--series", "1.4", "-y")
    assert run(node, "restore", "--series", "1.4").stdout == "restored instances=1\n"
    assert tree(node)["1.3.3"].endswith(data_set(*HELD[2], "third"))


def test_what_has_been_there_for_long_is_purged(node: RunningNode) -> None:
    run(node, "delete", "--study", "1.1", "-y")
    kept = sorted((node.data / "superseded").rglob("*.dcm"))
    day = 86_400_000_000_000
    kept[0].rename(kept[0].with_name(f"1.3.1.{time.time_ns() - 31 * day}.dcm"))
    dry = run(node, "purge", "--older-than", "30d", "--dry-run")
    assert dry.stdout.startswith("superseded/: files=1, ")
    assert run(node, "purge", "--older-than", "30d", answer="n\n").returncode == 0
    assert len(list((node.data / "superseded").rglob("*.dcm"))) == 3
    assert run(node, "purge", "--older-than", "30d", "-y").stdout == "purged files=1\n"
    assert sorted((node.data / "superseded").rglob("*.dcm")) == kept[1:]
    run(node, "purge", "--older-than", "0h", "-y")
    assert list((node.data / "superseded").iterdir()) == []
    assert run(node, "restore", "--study", "1.1").returncode == 1


def document(node: RunningNode, *given: str, code: int = 0) -> dict[str, Any]:
    """What a command says in JSON."""
    done = run(node, *given, "--json")
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


def test_json_tells_what_would_go_and_what_went(node: RunningNode) -> None:
    held = sum(len(data_set(*one)) for one in HELD[:3])
    before = tree(node)
    counts = {"studies": 1, "instances": 3, "bytes": held, "absent": []}
    study = ("--study", "1.1")
    assert document(node, "delete", *study, "--dry-run") == counts | {"deleted": 0}
    assert tree(node) == before
    assert document(node, "delete", *study, "-y") == counts | {"deleted": 3}
    due = {"files": 3, "bytes": sum(len(before[uid]) for uid in ("1.3.1", "1.3.2", "1.3.3"))}
    nothing = {"files": 0, "bytes": 0}
    none_old = {"due": nothing, "purged": nothing}
    assert document(node, "purge", "--older-than", "30d", "-y") == none_old
    purge = ("purge", "--older-than", "0h")
    assert document(node, *purge, "--dry-run") == {"due": due, "purged": nothing}
    restored = document(node, "restore", *study, "--study", "9.9", code=1)
    assert restored == {"restored": 3, "absent": ["study 9.9"]}
    assert document(node, "restore", "--study", "9.9", code=1)["restored"] == 0
    assert tree(node) == before
    run(node, "delete", *study, "-y")
    assert document(node, *purge, "-y") == {"due": due, "purged": due}
    assert list((node.data / "superseded").iterdir()) == []
    assert document(node, "rebuild") == {"instances": 2}


def test_a_dry_run_deletes_nothing_and_says_what_is_not_held(node: RunningNode) -> None:
    before = tree(node)
    dry = run(node, "delete", "--study", "1.1", "--dry-run")
    assert dry.returncode == 0
    assert dry.stdout.startswith("study 1.1: studies=1, instances=3, ")
    assert dry.stdout.endswith(" to be deleted\n")
    absent = ("delete", "--study", "1.1", "--study", "9.9")
    lines = "study 9.9: nothing is held\nnothing deleted\n"
    for options in (("--dry-run",), ("-y",)):
        done = run(node, *absent, *options)
        assert (done.returncode, done.stdout) == (1, lines)
        told = document(node, *absent, *options, code=1)
        assert (told["absent"], told["instances"], told["deleted"]) == (["study 9.9"], 3, 0)
    assert tree(node) == before


WRONG = {
    "a question for a machine": (("delete", "--study", "1.1", "--json"), "--yes or --dry-run"),
    "another one": (("purge", "--older-than", "0h", "--json"), "--json: takes --yes or --dry-run"),
    "nothing named": (("delete", "-y"), "takes one or more of --patient, --study"),
    "an empty name": (("delete", "--study", "1.1", "--series", " "), "--series: is empty"),
    "no age": (("purge",), "--older-than"),
    "an age that is none": (("purge", "--older-than", "soon"), 'such as "30d", not "soon"'),
    "nothing to restore named": (("restore",), "takes one or more of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_told_and_changes_nothing(start_node: StartNode, name: str) -> None:
    given, words = WRONG[name]
    done = run(start_node(), *given)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())


def test_of_what_is_not_held_nothing_is_deleted(node: RunningNode) -> None:
    done = run(node, "delete", "--study", "9.9", "-y")
    assert (done.returncode, done.stdout) == (1, "study 9.9: nothing is held\n")


# ---- a kill halfway


class Killed(BaseException):
    """Stands for kill -9: nothing cleans up behind it."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    made = Archive(tmp_path / "data", sync=False)
    for one in HELD:
        made.store(Received(CT, one[2], EXPLICIT, data_set(*one), CHARSET, "CT1"))
    settle_index(tmp_path / "data")
    yield made
    made.index.database.close_all()


STUDY = Selection(Level.STUDY, "1.1")
STEPS = [
    ("delete", "storage.maintenance.changes.deletion.record_deletion"),
    ("delete", "storage.files.superseded.Superseded.take"),
    ("delete", "storage.maintenance.changes.deletion.forget"),
    ("restore", "storage.journal.FolderJournal.append"),
    ("restore", "storage.files.tree.Tree.place"),
    ("restore", "storage.maintenance.changes.deletion.record_file"),
]


def whole(archive: Archive) -> set[Uids]:
    """What is held, after a look that all agrees."""
    assert damage(archive) == []
    lying = {path.stem for path in archive.tree.walk()}
    rows = {one.uids for patient in ("P1", "P2")
            for one in selected(archive, Selection(Level.PATIENT, patient))}  # fmt: skip
    assert {uids[2] for uids in rows} == lying
    return rows


def delete(archive: Archive) -> int:
    return len(list(deletion.delete(archive, selected(archive, STUDY))))


def restore(archive: Archive) -> int:
    files = deletion.restorable(archive, STUDY, CHARSET)
    return len(list(deletion.restore(archive, files, CHARSET)))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("what", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_kill_halfway_loses_nothing_and_is_mended_by_the_next_start(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, what: str, step: str, when: str
) -> None:
    everything = whole(archive)
    if what == "restore":
        assert delete(archive) == 3
    owner, name = step.rsplit(".", 1)
    real = getattr(pkgutil.resolve_name(owner), name)

    def killed(*given: object, **named: object) -> None:
        if when == "after":
            real(*given, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(step, killed)
        with pytest.raises(Killed):
            delete(archive) if what == "delete" else restore(archive)
    catch_up(archive.tree.data, CHARSET)
    held = whole(archive)
    delete(archive)
    assert {uids[0] for uids in whole(archive)} == {"2.1", "3.1"}
    restore(archive)
    assert whole(archive) == everything
    assert held <= everything


@pytest.mark.parametrize("step", ["record_deletion", "forget"])
def test_a_kill_halfway_leaves_each_instance_that_is_held_its_digest(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also where the index is made anew, with nothing but the journal to tell."""
    digests = {uids: digest_in(archive.index, uids) for uids in whole(archive)}
    real = getattr(deletion, step)

    def killed(*given: object) -> None:
        real(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(deletion, step, killed)
        with pytest.raises(Killed):
            delete(archive)
    rebuilding.rebuild(archive.tree.data, CHARSET)
    left = whole(archive)
    assert len(left) == len(HELD) - (step == "forget")
    assert {uids: digest_in(archive.index, uids) for uids in left} == {
        uids: digests[uids] for uids in left
    }


def test_a_file_that_never_had_a_receipt_gets_one_when_it_is_restored(archive: Archive) -> None:
    """Else an index of before that would not be seen to lack it."""
    uids = ("1.1", "1.2", "1.3.1")
    journal = archive.tree.data / "journal"
    archive.close_thread()
    shutil.rmtree(journal)  # as of files that were put into the tree by hand
    archive.journal.prepare()
    rebuilding.rebuild(archive.tree.data, "")
    assert digest_in(archive.index, uids) == ""
    delete(archive)
    before = archive.journal.size(RECEIPTS)
    restore(archive)
    told = dict(in_journal(archive.journal, before))
    digest = digest_of_file(archive.tree.path(uids))
    assert isinstance(told[uids], Receipt)
    assert (told[uids].digest, digest_in(archive.index, uids)) == (digest, digest)
    rebuilding.rebuild(archive.tree.data, "")
    assert digest_in(archive.index, uids) == digest


def test_a_restore_that_meets_a_store_ends_and_changes_nothing(archive: Archive) -> None:
    delete(archive)
    files = deletion.restorable(archive, STUDY, CHARSET)
    archive.store(Received(CT, "1.3.1", EXPLICIT, data_set(*HELD[0], "new"), CHARSET))
    with pytest.raises(ResourceError, match="is held again"):
        list(deletion.restore(archive, files, CHARSET))
    assert len(whole(archive)) == 3
