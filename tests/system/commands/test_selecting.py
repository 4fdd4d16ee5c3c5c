"""Commands on several patients, studies, series and instances: none is passed over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from support import CT, EXPLICIT, RunningNode, ct, destination, encoded, minipacs
from typer.core import TyperGroup

from scp.cli.app import COMMANDS, app, loaded
from scp.cli.options.options import OnceCommand
from storage import Archive, Received, prepare

# Study, series, instance and patient of what lies in the archive.
HELD = [
    ("1.1", "1.2", "1.3.1", "P1"), ("1.1", "1.2", "1.3.2", "P1"), ("1.1", "1.4", "1.3.3", "P1"),
    ("2.1", "2.2", "2.3.1", "P1"), ("3.1", "3.2", "3.3.1", "P2"), ("4.1", "4.2", "4.3.1", "P3"),
]  # fmt: skip
ALL = {one[2] for one in HELD}


@pytest.fixture
def inbox_and_node(tmp_path: Path) -> Iterator[tuple[dict[str, bytes], RunningNode]]:
    """What arrives at a peer, and the data of a node that does not run."""
    with destination("DEST") as (inbox, port):
        peers = {"DEST": {"host": "127.0.0.1", "port": port}}
        node = RunningNode(tmp_path, {"peers": peers})
        prepare(node.data, sync=False, charset="")
        archive = Archive(node.data, sync=False)
        for study, series, instance, patient in HELD:
            data = encoded(ct(study, series, instance, PatientID=patient))
            archive.store(Received(CT, instance, EXPLICIT, data, "", "CT1"))
        archive.close_thread()
        yield inbox, node  # type: ignore[misc]


@pytest.fixture
def node(inbox_and_node: tuple[dict[str, bytes], RunningNode]) -> RunningNode:
    return inbox_and_node[1]


def run(node: RunningNode, *given: str, code: int = 0) -> str:
    done = minipacs(given[0], node, *given[1:])
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    return done.stdout + done.stderr


def held(node: RunningNode) -> set[str]:
    return {path.stem for path in node.files()}


TWO = ("--study", "1.1", "--study", "2.1")
MIXED = ("--series", "1.2", "--study", "1.1", "--instance", "3.3.1", "--patient", "P2")
OF = {TWO: ALL - {"3.3.1", "4.3.1"}, MIXED: ALL - {"2.3.1", "4.3.1"}}


@pytest.mark.parametrize("named", OF, ids=["two studies", "of several kinds"])
def test_all_that_are_named_are_deleted_and_restored(
    node: RunningNode, named: tuple[str, ...]
) -> None:
    told = run(node, "delete", *named, code=1)  # the question is not answered
    assert all(
        f"{kind[2:]} {uid}" in told for kind, uid in zip(named[::2], named[1::2], strict=True)
    )
    assert "instances=4" in told
    assert held(node) == ALL
    assert "deleted instances=4" in run(node, "delete", *named, "--yes")
    assert held(node) == ALL - OF[named]
    assert "restored instances=4" in run(node, "restore", *named)
    assert held(node) == ALL


def test_what_is_not_held_is_named_before_anything_is_changed(node: RunningNode) -> None:
    told = run(node, "delete", *TWO, "--study", "9.9", "--patient", "P9", "-y", code=1)
    assert told == "patient P9: nothing is held\nstudy 9.9: nothing is held\nnothing deleted\n"
    assert held(node) == ALL
    run(node, "delete", *TWO, "-y")
    told = run(node, "restore", *TWO, "--study", "3.1", code=1)
    assert "study 3.1: nothing in superseded/" in told
    assert "restored instances=4" in told
    assert held(node) == ALL


def test_all_that_are_named_are_exported_and_sent_once_each(
    inbox_and_node: tuple[dict[str, bytes], RunningNode], tmp_path: Path
) -> None:
    inbox, node = inbox_and_node
    told = run(node, "export", str(tmp_path / "out"), *MIXED, "--study", "9.9", code=1)
    assert "study 9.9: nothing is held" in told
    assert "exported=4, failed=0" in told
    assert {path.stem for path in (tmp_path / "out").rglob("*.dcm")} == OF[MIXED]
    assert "exported=4" in run(node, "export", str(tmp_path / "two"), *TWO)
    assert "sent=4, warned=0, failed=0" in run(node, "send", "DEST", *MIXED)
    arrived = inbox.take_all()  # type: ignore[attr-defined]
    assert set(arrived) == OF[MIXED]
    assert "study 9.9: nothing is held" in run(node, "send", "DEST", "--study", "9.9", *TWO, code=1)


def test_each_that_is_named_is_corrected_and_told_of(node: RunningNode) -> None:
    told = run(node, "correct", *TWO, "--patient", "P2", "PatientName=New", code=1)
    assert told.endswith("minipacs: nobody answers: without a terminal it takes --yes\n")
    assert "patient P2: instances=1, study 1.1: instances=3, study 2.1: instances=1" in told
    assert json.loads(run(node, "history", "--json")) == []
    told = run(node, "correct", *TWO, "--patient", "P2", "PatientName=New", "-y", "--reason", "r")
    assert [f"corrected {number}:" in told for number in (1, 2, 3)] == [True] * 3
    made = json.loads(run(node, "history", "--json"))
    assert [(one["level"], one["key"]) for one in made] == [
        ("PATIENT", "P2"), ("STUDY", "1.1"), ("STUDY", "2.1"),
    ]  # fmt: skip
    told = run(node, "history", "--study", "1.1", "--instance", "3.3.1", "--json")
    assert [one["number"] for one in json.loads(told)] == [1, 2]
    told = run(node, "history", "--study", "9.9", "--study", "2.1", code=1)
    assert "study 9.9: nothing is held" in told
    assert "corrections=1" in told


def test_each_study_that_is_named_is_pinned_and_unpinned(node: RunningNode) -> None:
    assert "study 9.9, study 8.8: nothing is held" in run(
        node, "pin", *TWO, "--study", "9.9", "--study", "8.8", code=2
    )
    assert "pinned studies=0" in run(node, "pin")
    run(node, "pin", *TWO)
    assert "pinned studies=2" in run(node, "pin")
    assert "study 3.1: is not pinned" in run(node, "unpin", *TWO, "--study", "3.1", code=2)
    run(node, "unpin", *TWO)
    assert "pinned studies=0" in run(node, "pin")


def test_what_cannot_be_corrected_in_the_middle_is_named(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scp.cli.commands.changes import correct
    from scp.config import loader
    from storage import Level
    from storage.diagnostics.errors import ResourceError
    from storage.maintenance.changes import correction as stored
    from storage.maintenance.changes.selections import Selection

    write, made = stored.correct, []

    def fail_later(*given: object, **named: object) -> object:
        if made:
            raise ResourceError("no space")
        made.append(given)
        return write(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "correct", fail_later)
    studies = [Selection(Level.STUDY, uid) for uid in ("1.1", "2.1", "3.1")]
    with pytest.raises(ResourceError):
        correct.run(
            loader.load(node.config), studies, {"StudyDescription": "x"}, "", lambda _: True
        )
    told = capsys.readouterr()
    assert "corrected 1: instances=3" in told.out
    assert told.err == "not corrected: study 2.1, study 3.1\n"


def _once() -> list[tuple[tuple[str, ...], str]]:
    """Every option of every command that takes one value."""
    assert len(COMMANDS) > 20
    return [found for name in COMMANDS for found in _options_of((name,), loaded(name))]


def _options_of(words: tuple[str, ...], command: Any) -> list[tuple[tuple[str, ...], str]]:
    """Those of a command and of what goes by a word behind it."""
    if isinstance(command, TyperGroup):
        below = command.commands.items()
        return [found for word, one in below for found in _options_of((*words, word), one)]
    assert isinstance(command, OnceCommand), words
    return [
        (words, option.opts[0])
        for option in command.params
        if option.param_type_name == "option" and not option.is_flag and not option.multiple
    ]


@pytest.mark.parametrize(("command", "option"), _once())
def test_an_option_that_takes_one_value_is_not_given_twice(
    command: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((SystemExit, typer.Exit)) as ended:
        app([*command, option, "1", option, "1"])
    code = getattr(ended.value, "code", None) or getattr(ended.value, "exit_code", None)
    assert code == 2
    assert f"minipacs: {option}: is given twice" in capsys.readouterr().err
