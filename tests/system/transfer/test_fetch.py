"""`minipacs fetch` and `minipacs query` against a second node, as a user runs them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, encoded, free_port, minipacs, running_node, send

HELD = {"1.3.1": "1.1", "1.3.2": "1.1", "2.3.1": "2.1"}  # instance -> study
NAME = "Müller^Jan=山田"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that holds two studies."""
    folder = tmp_path_factory.mktemp("source")
    with running_node(folder, {"node": {"ae_title": "SOURCE"}}) as node:
        with node.association((CT, EXPLICIT)) as association:
            for instance, study in HELD.items():
                made = ct(study, f"{study}.2", instance, PatientID="P")
                made.SpecificCharacterSet, made.PatientName = "ISO_IR 192", NAME
                assert send(association, CT, instance, encoded(made)).Status == 0
        yield node


@pytest.fixture
def node(tmp_path: Path, source: RunningNode) -> RunningNode:
    """The data folder that is fetched to; no node serves it."""
    peers = {
        "SOURCE": {"host": "127.0.0.1", "port": source.port},
        "GONE": {"host": "127.0.0.1", "port": free_port()},
    }
    return RunningNode(tmp_path, {"peers": peers})


def ask(
    command: str, node: RunningNode, *given: str, code: int = 0
) -> "subprocess.CompletedProcess[str]":
    done = minipacs(command, node, *given)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    return done


def held(node: RunningNode) -> list[str]:
    return sorted(file.stem for file in node.files())


@pytest.mark.parametrize(("given", "instances"), [
    (("PatientID=P",), list(HELD)), (("--study", "1.1"), ["1.3.1", "1.3.2"]),
    (("--instance", "1.3.2"), ["1.3.2"]), (("PatientID=P", "--associations", "4"), list(HELD)),
    (("PatientID=P", "--level", "patient"), list(HELD)),
])  # fmt: skip
def test_what_is_named_arrives_as_it_lies_there(
    node: RunningNode, source: RunningNode, given: tuple[str, ...], instances: list[str]
) -> None:
    ask("fetch", node, "SOURCE", *given)
    assert held(node) == sorted(instances)
    there = {file.stem: file.read_bytes() for file in source.files()}
    assert all(file.read_bytes()[-100:] == there[file.stem][-100:] for file in node.files())


def test_what_is_held_is_not_brought_again(node: RunningNode) -> None:
    ask("fetch", node, "SOURCE", "--instance", "1.3.1")
    told = json.loads(ask("fetch", node, "SOURCE", "--study", "1.1", "--json").stdout)
    assert [(one["held"], one["fetched"], one["missing"]) for one in told] == [(1, 1, [])]


def test_a_dry_run_brings_nothing(node: RunningNode) -> None:
    assert "missing=2" in ask("fetch", node, "SOURCE", "--study", "1.1", "--dry-run").stdout
    assert held(node) == []


def test_what_is_refused_here_is_missing_with_its_reason(node: RunningNode) -> None:
    text = node.config.read_text().replace("free_bytes = 0", "free_bytes = 1000000000000000")
    node.config.write_text(text)
    told = json.loads(ask("fetch", node, "SOURCE", "--study", "2.1", "--json", code=1).stdout)
    assert [one["SOPInstanceUID"] for one in told[0]["missing"]] == ["2.3.1"]
    assert all(one["reason"] for one in told[0]["missing"])
    assert held(node) == []


@pytest.mark.parametrize(("given", "code", "words"), [
    (("NOBODY", "PatientID=P"), 2, "has no NOBODY"), (("GONE", "PatientID=P"), 1, "GONE"),
    (("SOURCE", "PatientsID=P"), 2, "PatientID"), (("SOURCE", "--study", "9.9"), 1, "9.9"),
    (("SOURCE", "--study", "1.1", "--by", "move"), 1, "minipacs serve"), (("SOURCE",), 2, "takes"),
    (("SOURCE", "--study", "1.1", "--between", "25:00-26:00"), 2, "--between"),
])  # fmt: skip
def test_what_cannot_be_fetched_is_said_in_a_line(
    node: RunningNode, given: tuple[str, ...], code: int, words: str
) -> None:
    assert words in ask("fetch", node, *given, code=code).stderr


def test_a_query_shows_what_the_peer_holds(node: RunningNode) -> None:
    told = json.loads(ask("query", node, "SOURCE", "PatientName=muller*", "--json").stdout)
    assert [(one["StudyInstanceUID"], one["PatientName"]) for one in told] == [
        ("1.1", NAME), ("2.1", NAME),
    ]  # fmt: skip
    uids = ask("query", node, "SOURCE", "PatientID=P", "--level", "instance", "--uids").stdout
    assert sorted(uids.split()) == sorted(HELD)


@pytest.mark.parametrize(("given", "code", "words"), [
    (("NOBODY",), 2, "has no NOBODY"), (("GONE",), 1, "GONE"),
    (("SOURCE", "PatientsID=P"), 2, "PatientID"), (("SOURCE", "PatientID=Q"), 1, "studies=0"),
])  # fmt: skip
def test_what_cannot_be_asked_is_said_in_a_line(
    node: RunningNode, given: tuple[str, ...], code: int, words: str
) -> None:
    assert words in ask("query", node, *given, code=code).stderr
