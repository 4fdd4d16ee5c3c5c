"""`minipacs backup` as a user runs it, beside senders, and a node that is started from a copy."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support import (
    CT,
    EXPLICIT,
    ROOT,
    RunningNode,
    StartNode,
    ct,
    encoded,
    found,
    minipacs,
    running_node,
    send,
)
from support.checks.backups import contents, whole

from storage import Archive, Received
from storage.maintenance.backup import backup, file_copies

CHARSET = "ISO_IR 100"


def command(node: RunningNode, to: Path) -> list[str]:
    return [sys.executable, "-m", "scp", "backup", str(to), "-c", str(node.config)]


def back_up(node: RunningNode, to: Path) -> "subprocess.CompletedProcess[str]":
    done = minipacs("backup", node, str(to))
    assert "Traceback" not in done.stderr
    return done


def counts(done: "subprocess.CompletedProcess[str]") -> dict[str, int]:
    assert done.returncode == 0, done.stdout + done.stderr
    pairs = done.stdout.split(": ", 1)[1].split(", ")[:4]
    return {name: int(count) for name, count in (pair.split("=") for pair in pairs)}


def store(node: RunningNode, *instances: tuple[str, str]) -> None:
    with node.association((CT, EXPLICIT)) as association:
        for number, name in instances:
            data = encoded(ct("1.1", "1.2", f"1.3.{number}", StudyDescription=name))
            assert send(association, CT, f"1.3.{number}", data).Status == 0


def test_a_node_that_is_started_from_a_backup_has_all(
    start_node: StartNode, tmp_path: Path
) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"), ("2", "a"), ("2", "b"))
    assert counts(back_up(node, to)) == {"copied": 3, "unchanged": 0, "removed": 0, "faults": 0}
    held = contents(node.data)
    assert contents(to) == held
    node.stop()
    shutil.rmtree(node.data)
    shutil.copytree(to, node.data)
    node.start()
    assert contents(node.data) == held
    assert found(node, "1.1", "1.2") == ["1.3.1", "1.3.2"]
    node.stop()
    assert whole(to) == 2


def test_only_what_changed_is_copied(start_node: StartNode, tmp_path: Path) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, *((str(number), "a") for number in range(5)))
    back_up(node, to)
    assert counts(back_up(node, to))["unchanged"] == 5
    store(node, ("0", "b"), ("7", "a"))
    again = counts(back_up(node, to))
    assert (again["copied"], again["unchanged"]) == (3, 4)  # the old one of 0 is kept
    assert minipacs("delete", node, "--instance", "1.3.1", "-y").returncode == 0
    last = counts(back_up(node, to))
    assert (last["copied"], last["removed"]) == (1, 1)
    assert contents(to) == contents(node.data)
    assert whole(to) == 5


def test_a_backup_beside_senders_agrees_with_itself(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node(node={"workers": 2})
    done = threading.Event()
    rounds: list[int] = []

    def keep_sending() -> None:
        number = 0
        while not done.is_set():
            store(node, *((str(one), f"round {number}") for one in range(20)))
            number += 1
            rounds.append(number)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        made = 0
        while made < 4 or (len(rounds) <= 2 and sender.is_alive()):
            to = tmp_path / f"backup{made % 2}"  # the second one twice, with changes
            assert back_up(node, to).returncode == 0
            made += 1
    finally:
        done.set()
        sender.join()
    assert len(rounds) > 2
    for number in range(2):
        assert whole(tmp_path / f"backup{number}") > 0


def test_a_backup_that_was_killed_is_brought_to_its_end_by_the_next(
    start_node: StartNode, tmp_path: Path
) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, *((str(number), "a") for number in range(150)))
    look = threading.Event()
    with subprocess.Popen(command(node, to), cwd=ROOT) as process:
        while len(list(to.glob("tree/*/*/*.dcm"))) < 10:
            assert process.poll() is None
            look.wait(0.002)
        process.send_signal(signal.SIGKILL)
    assert counts(back_up(node, to))["copied"] > 0
    assert contents(to) == contents(node.data)
    assert not list(to.rglob("*.part"))
    assert whole(to) == 150


def test_what_is_not_as_it_was_received_is_told(start_node: StartNode, tmp_path: Path) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"), ("2", "a"))
    path = node.files()[0]
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    done = back_up(node, to)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"{path}: not the bytes that were received"
    assert len(list(to.glob("tree/*/*/*.dcm"))) == 2
    again = minipacs("backup", node, str(tmp_path / "another"), "--json")
    document = json.loads(again.stdout)
    assert (again.returncode, document["copied"], document["removed"]) == (1, 2, 0)
    assert document["faults"] == [f"{path}: not the bytes that were received"]
    assert document["bytes"] == sum(path.stat().st_size for path in node.files())


class Quiet:
    """Is told what a backup does, and says nothing."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.done: list[int] = []
        self.said: list[str] = []

    def begin(self, what: str, total: int, unit: str) -> None:
        self.begun.append((what, total))
        self.done.append(0)

    def advance(self, count: int) -> None:
        self.done[-1] += count

    def say(self, line: str) -> None:
        self.said.append(line)


@contextmanager
def opened(data: Path) -> Iterator[Archive]:
    archive = Archive(data)
    try:
        yield archive
    finally:
        archive.index.engine.database.close_all()


@pytest.mark.parametrize("kind", ["folder", "pipe", "unreadable"])
def test_a_file_that_cannot_be_read_keeps_no_other_from_being_copied(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is told of, and the copy that there may be of it stays."""
    node, to, told = start_node(), tmp_path / "backup", Quiet()
    store(node, ("1", "a"), ("2", "a"), ("3", "a"))
    assert back_up(node, to).returncode == 0
    held = contents(to)
    path = node.data / "tree" / "1.1" / "1.2" / "1.3.2.dcm"
    if kind == "unreadable":
        path.touch()
        folder = os.open(tmp_path, os.O_RDONLY)
        real = file_copies.copy_of_rest

        def copy_of_rest(source: Any, copy: Any) -> str:
            copy.write(b"a part of it")
            os.dup2(folder, source.fileno())  # each read fails from here on
            return real(source, copy)

        monkeypatch.setattr(file_copies, "copy_of_rest", copy_of_rest)
    else:
        path.unlink()
        path.mkdir() if kind == "folder" else os.mkfifo(path)
    with opened(node.data) as archive:
        done = backup.back_up(archive, to, told)
    assert (done.copied, done.unchanged, done.faults) == (0, 2, 1)
    words = "cannot be read: Is a directory" if kind == "unreadable" else "is no file"
    assert told.said == [f"{path}: {words}"]
    monkeypatch.undo()
    assert contents(to) == held
    assert not list(to.rglob("*.part"))


def before(monkeypatch: pytest.MonkeyPatch, step: str, act: Callable[[], None]) -> None:
    """Have something be done each time before a step of a backup."""
    module, name = step.split(".", 1)
    owner: Any = import_module(f"storage.maintenance.backup.{module}")
    *way, name = name.split(".")
    for one in way:
        owner = getattr(owner, one)
    real = getattr(owner, name)

    def after_acting(*given: Any, **named: Any) -> Any:
        act()
        return real(*given, **named)

    monkeypatch.setattr(owner, name, after_acting)


# All that can take long; with which of their calls the moment of agreement has passed.
LONG_STEPS = {
    "backup._Copy._bring_all": None, "backup._Copy._catch_up": None,
    "file_copies.FileCopies.flush": None, "journal_copy.JournalCopy.bring": 2,
    "backup._Copy._remove_stale": None, "backup._Copy._remove": None, "backup._Copy._verify": None,
    "file_copies.FileCopies.add": None, "file_copies.FileCopies.sync": 1,
}  # fmt: skip
LATER = [pytest.param(step, marks=pytest.mark.long) for step in list(LONG_STEPS)[4:]]


@pytest.mark.parametrize("step", [*list(LONG_STEPS)[:4], *LATER])
def test_stores_go_on_at_each_step_that_can_take_long(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What comes before the moment of agreement is in the backup as well."""
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"), ("2", "a"), ("3", "a"))
    assert back_up(node, to).returncode == 0
    assert minipacs("delete", node, "--instance", "1.3.3", "-y").returncode == 0
    store(node, ("1", "b"))
    damaged = node.data / "tree" / "1.1" / "1.2" / "1.3.1.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"X")
    calls: list[int] = []
    held: list[Counter[tuple[str, bytes]]] = [contents(node.data)]
    passed = LONG_STEPS[step]

    def store_more() -> None:
        calls.append(len(calls) + 1)
        if len(calls) <= 2:
            store(node, ("2", f"again {len(calls)}"), (f"{len(calls)}0", "new"))
            if passed is None or len(calls) < passed:
                held[0] = contents(node.data)

    with opened(node.data) as archive, monkeypatch.context() as patch:
        before(patch, step, store_more)
        backup.back_up(archive, to, Quiet())
    assert calls
    assert contents(to) == held[0]


@pytest.mark.parametrize("moment", ["all_locked", "locked"])
def test_a_store_whose_receipt_lies_before_its_file_is_waited_for(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Else the backup would tell of what it does not hold: at the beginning, and in a round."""
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"))
    node.stop()
    is_written, may_place = threading.Event(), threading.Event()
    with opened(node.data) as archive, opened(node.data) as storing:
        place, data = storing.tree.place, encoded(ct("1.1", "1.2", "1.3.9"))

        def place_later(*given: Any, **named: Any) -> None:
            is_written.set()
            assert may_place.wait(60)
            place(*given, **named)

        def keep_one_under_way() -> None:
            if not is_written.is_set():
                sender.start()
                assert is_written.wait(60)

        monkeypatch.setattr(storing.tree, "place", place_later)
        received = Received(CT, "1.3.9", EXPLICIT, data, CHARSET)
        sender = threading.Thread(target=storing.store, args=(received,))
        if moment == "locked":
            monkeypatch.setattr(backup, "_LITTLE_BYTES", 0)  # a round for whatever there is
            before(monkeypatch, "backup._Copy._catch_up", keep_one_under_way)
        else:
            keep_one_under_way()
        # Only who waits for it sees the store go on.
        before_lock = getattr(archive.tree, moment)

        def lock(*places: Any) -> Any:
            if is_written.is_set():
                may_place.set()
            return before_lock(*places)

        monkeypatch.setattr(archive.tree, moment, lock)
        backup.back_up(archive, to, Quiet())
        sender.join()
    assert contents(to) == contents(node.data)
    assert whole(to) == 2


def test_what_comes_back_while_its_copy_is_removed_is_in_the_backup(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"), ("2", "a"))
    assert back_up(node, to).returncode == 0
    assert minipacs("delete", node, "--instance", "1.3.1", "-y").returncode == 0

    def come_back() -> None:
        if not (node.data / "tree" / "1.1" / "1.2" / "1.3.1.dcm").exists():
            assert minipacs("restore", node, "--instance", "1.3.1").returncode == 0

    with opened(node.data) as archive:
        before(monkeypatch, "backup._Copy._remove", come_back)
        done = backup.back_up(archive, to, Quiet())
    assert done.removed > 0
    assert contents(to) == contents(node.data)
    assert whole(to) == 2


def test_what_came_last_is_copied_in_any_number(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where more came than may be open at once, or be looked at while stores wait."""
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"))
    monkeypatch.setattr(backup, "_MOST_OPEN", 2)
    monkeypatch.setattr(backup, "_ROUNDS", 0)

    def store_five() -> None:
        store(node, *((str(number), "b") for number in range(5)))

    with opened(node.data) as archive:
        before(monkeypatch, "backup._Copy._catch_up", store_five)
        assert backup.back_up(archive, to, Quiet()).copied == 7
    assert contents(to) == contents(node.data)
    assert whole(to) == 5


def test_progress_is_told_of_each_file_once(start_node: StartNode, tmp_path: Path) -> None:
    node, to, told = start_node(), tmp_path / "backup", Quiet()
    store(node, ("1", "a"), ("2", "a"), ("2", "b"))
    with opened(node.data) as archive:
        backup.back_up(archive, to, told)
    assert told.begun == [("copying tree/", 2), ("copying superseded/", 0),
                          ("looking for what is not held any more", 3)]  # fmt: skip
    assert told.done == [2, 1, 3]
    assert not told.said


def test_two_backups_to_one_folder_do_not_mix(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, to = start_node(), tmp_path / "backup"
    store(node, ("1", "a"))
    said: list[str] = []

    def another() -> None:
        done = back_up(node, to)
        assert done.returncode == 2
        said.append(done.stderr)

    with opened(node.data) as archive:
        before(monkeypatch, "backup._Copy._catch_up", another)
        backup.back_up(archive, to, Quiet())
    assert f"{to}: another backup is being written there" in said[0]
    assert whole(to) == 1


BAD = {
    "the archive": (lambda node, folder: node.data, "lies in the archive"),
    "a folder in it": (lambda node, folder: node.data / "tree" / "x", "lies in the archive"),
    "a folder around it": (lambda node, folder: node.folder, "or the archive in it"),
    "a folder of something else": (lambda node, folder: folder, "is not empty, and no backup"),
    "a file": (lambda node, folder: folder / "notes", "cannot be a backup"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_backup_is_told_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("mine")
    with running_node(tmp_path / "node") as node:
        make, words = BAD[name]
        done = back_up(node, make(node, tmp_path / "other"))
    assert done.returncode == 2
    assert words in done.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes"]


@pytest.mark.parametrize("mark", ["", "[]", "{}", "7", '{"of": 7}', "\0"])
def test_a_folder_whose_mark_is_not_of_a_backup_is_left_alone(
    start_node: StartNode, tmp_path: Path, mark: str
) -> None:
    node, to = start_node(), tmp_path / "backup"
    to.mkdir()
    (to / "minipacs-backup.json").write_text(mark)
    done = back_up(node, to)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(to) in done.stderr
    assert [(path.name, path.read_text()) for path in to.iterdir()] == [
        ("minipacs-backup.json", mark)
    ]


def test_a_backup_of_another_archive_is_left_alone(tmp_path: Path, start_node: StartNode) -> None:
    one, other = start_node(), start_node()
    assert back_up(one, tmp_path / "backup").returncode == 0
    done = back_up(other, tmp_path / "backup")
    assert done.returncode == 2
    assert "is a backup of another folder" in done.stderr


def test_a_backup_before_the_next_start_has_what_the_log_alone_holds(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node", {"node": {"workers": 1}})
    node.constants = {"storage.archive.receiving.log.log.CHECKPOINT_SECONDS": 1e9}
    node.start()
    number = 0
    while not list((node.data / "log").glob("*.log")):
        store(node, (number, "as sent"))
        number += 1
    store(node, (number, "as sent"))
    node.kill()
    path = node.data / "tree" / "1.1" / "1.2" / f"1.3.{number}.dcm"
    content = path.read_bytes()
    path.write_bytes(b"")  # as a power cut may leave it
    assert counts(back_up(node, tmp_path / "copy"))["copied"] == number + 1
    assert path.read_bytes() == content
    assert (tmp_path / "copy" / path.relative_to(node.data)).read_bytes() == content
    assert not (tmp_path / "copy" / "log").exists()
