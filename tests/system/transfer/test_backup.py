"""`minipacs backup` as a user runs it, beside senders, and a node that is started from a copy."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

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

from storage import Archive
from storage.maintenance.backup import backup

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
    store(node, *((str(number), "a") for number in range(300)))
    with subprocess.Popen(command(node, to), cwd=ROOT) as process:
        while len(list(to.glob("tree/*/*/*.dcm"))) < 10:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert counts(back_up(node, to))["copied"] > 0
    assert contents(to) == contents(node.data)
    assert not list(to.rglob("*.part"))
    assert whole(to) == 300


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


def test_stores_wait_only_for_the_last_moment(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while the tree is copied is in the backup as well."""
    node = start_node()
    store(node, ("1", "a"))
    archive = Archive(node.data)
    real = backup._Copy._files

    def files_and_a_store(self: "backup._Copy", name: str) -> list[Path]:
        listed = list(real(self, name))
        if name == "tree" and not self._is_alone:
            store(node, ("1", "b"), ("2", "a"))
        return listed

    monkeypatch.setattr(backup._Copy, "_files", files_and_a_store)
    backup.back_up(archive, tmp_path / "backup", lambda count: None)
    archive.close_thread()
    assert contents(tmp_path / "backup") == contents(node.data)
    assert whole(tmp_path / "backup") == 2


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
