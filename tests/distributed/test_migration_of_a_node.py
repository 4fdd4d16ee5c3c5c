"""The archive of a node brought to one of several nodes while it serves, and back."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    RunningNode,
    ct,
    encoded,
    found,
    got,
    minipacs,
    running_node,
    send,
)
from support.machine.cluster import IMPATIENT, Engines, new_archive

LOOK = threading.Event()  # never set: nobody tells that it has changed


def stored(node: RunningNode, study: str, count: int = 3, name: str = "A^B") -> dict[str, bytes]:
    """Instances of a study, acknowledged by a node: as they were sent, by UID."""
    made = {
        f"{study}.1.{number}": encoded(
            ct(study, f"{study}.1", f"{study}.1.{number}", PatientID=study, PatientName=name)
        )
        for number in range(count)
    }
    with node.association((CT, EXPLICIT)) as association:
        for uid, data in made.items():
            assert send(association, CT, uid, data).Status == 0x0000
    return made


def written(folder: Path, **tables: Any) -> Path:
    """The configuration of an archive that is to be filled."""
    folder.mkdir()
    path = folder / "config.toml"
    path.write_text(tomlkit.dumps({"storage": {"path": "data"}, **tables}))
    return path


def migrated(node: RunningNode, to: Path, code: int = 0) -> dict[str, Any]:
    done = minipacs("migrate", node, "--to", str(to), "--json")
    assert done.returncode == code, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def said(command: str, node: RunningNode, *options: str) -> str:
    done = minipacs(command, node, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def outcomes(node: RunningNode) -> list[str]:
    """What commands tell of an archive."""
    stats = json.loads(said("stats", node, "--json"))
    stats["held"].pop("free_bytes")
    history = said("history", node)
    assert "Right^1" in history
    pins = said("pin", node)
    assert "1.2.2" in pins
    return [json.dumps(stats), history, pins]


def test_a_node_is_brought_to_several_while_it_serves_and_back(
    engines: Engines, tmp_path: Path
) -> None:
    shared = engines.tables(new_archive())
    to = written(tmp_path / "first", **shared)
    back = written(tmp_path / "back")
    with running_node(tmp_path / "alone") as node:
        stored(node, "1.2.1")
        made = {study: stored(node, study) for study in ("1.2.2", "1.2.3")}
        said("correct", node, "--study", "1.2.1", "PatientName=Right^1", "--yes")
        said("pin", node, "--study", "1.2.2")
        stop, more = threading.Event(), dict[str, dict[str, bytes]]()

        def store() -> None:
            number = 10
            while not stop.is_set():
                more[f"1.2.{number}"] = stored(node, f"1.2.{number}", 1)
                number += 1

        storing = threading.Thread(target=store)
        storing.start()
        first = migrated(node, to)
        stop.set()
        storing.join()
        assert first["copied"] >= 9
        assert not first["complete"]
        assert not first["faults"]
        assert "serves the archive" in first["to_do"][0]
        refused = minipacs("serve", RunningNode(tmp_path / "first", shared))
        assert refused.returncode
        assert "being filled by `minipacs migrate`" in refused.stderr
        said("delete", node, "--study", "1.2.3", "--yes")
        made["1.2.2"] |= stored(node, "1.2.2", 3, name="Replaced^2")
    assert more
    made |= more
    last = migrated(node, to)
    assert last["complete"]
    assert last["removed"] == 3
    expected = outcomes(node)
    with running_node(tmp_path / "first", shared, IMPATIENT) as there:
        for study, sent in made.items():
            assert got(there, study) == ({} if study == "1.2.3" else sent)
        assert outcomes(there) == expected
        said("restore", there, "--study", "1.2.3")
        assert got(there, "1.2.3") == made["1.2.3"]
        beside = written(tmp_path / "beside", **shared)
        for served, words in ((to, "in use"), (beside, "serves the archive")):
            done = minipacs("migrate", node, "--to", str(served))
            assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    expected = outcomes(there)
    assert migrated(there, back)["complete"]
    with running_node(tmp_path / "back") as again:
        assert found(again, "1.2.3", "1.2.3.1") == sorted(made["1.2.3"])
        for study, sent in made.items():
            assert got(again, study) == sent
        assert outcomes(again) == expected
        assert found(again, "1.2.1", "1.2.1.1") == [f"1.2.1.1.{one}" for one in range(3)]
        assert "faults=0" in said("check", again)


def test_what_cannot_be_brought_is_named_with_exit_code_1(engines: Engines, tmp_path: Path) -> None:
    to = written(tmp_path / "first", **engines.tables(new_archive()))
    with running_node(tmp_path / "alone") as node:
        stored(node, "1.3.1")
    (path,) = node.data.rglob("1.3.1.1.1.dcm")
    path.write_bytes(path.read_bytes()[:-2] + b"??")
    told = migrated(node, to, code=1)
    assert told["copied"] == 2
    assert any(str(path) in line for line in told["faults"])
    assert not told["complete"]


def test_what_waits_to_be_forwarded_goes_along_and_is_sent_from_there(
    engines: Engines, tmp_path: Path
) -> None:
    nowhere = {"MINIPACS": {"host": "127.0.0.1", "port": 1}}
    tables: dict[str, Any] = {"forward": [{"to": ["MINIPACS"]}], "peers": nowhere}
    shared = engines.tables(new_archive())
    to = written(tmp_path / "first", **shared, **tables)
    with running_node(tmp_path / "alone", tables) as node:
        made = stored(node, "1.4.1")
        looked = json.loads(said("migrate", node, "--to", str(to), "--dry-run", "--json"))
        assert (looked["copied"], looked["bytes"] > 0) == (3, True)
        assert "serves" in said("migrate", node, "--to", str(to), "--dry-run")
    assert not (tmp_path / "first" / "data").exists()
    told = migrated(node, to)
    assert (told["complete"], told["to_do"]) == (True, [])
    with running_node(tmp_path / "ward") as ward:
        peers = {"MINIPACS": {"host": "127.0.0.1", "port": ward.port}}
        with running_node(tmp_path / "first", {**shared, **tables, "peers": peers}, IMPATIENT):
            deadline = time.monotonic() + CLIENT_SECONDS
            while len(sent := got(ward, "1.4.1")) < len(made):
                assert time.monotonic() < deadline, sent
                LOOK.wait(0.2)
    assert sent == made


@pytest.mark.parametrize("to", ["the same", "none"])
def test_a_place_that_cannot_be_filled_is_refused(tmp_path: Path, to: str) -> None:
    with running_node(tmp_path / "alone") as node:
        path = node.config if to == "the same" else str(tmp_path / "none.toml")
        done = minipacs("migrate", node, "--to", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
