"""How an archive of several nodes stands, as `minipacs nodes` and the page of a node tell it."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import requests
from support import CLIENT_SECONDS, RunningNode
from support.checks.dicomweb import Web
from support.machine.cluster import Engines, running_nodes
from support.machine.seaweed import SECRET_KEY
from support.program import run

LOOK = threading.Event()  # never set: nobody tells that it has changed


def told(node: RunningNode, code: int = 0) -> dict[str, Any]:
    done = run("nodes", "--json", "-c", node.config)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page(node: RunningNode) -> str:
    answer = requests.get(f"{Web(node).origin}/page/node", timeout=CLIENT_SECONDS)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def test_nodes_engines_and_jobs_are_told_and_no_secret(engines: Engines, tmp_path: Path) -> None:
    tables = {"web": {"port": 0}, "node": {"workers": 1}}
    with running_nodes(engines, tmp_path, **tables) as (one, other):
        deadline = time.monotonic() + CLIENT_SECONDS
        while "commitments" not in (found := told(one))["jobs"]:
            assert time.monotonic() < deadline, found
            LOOK.wait(0.2)
        names = ["MINIPACS@127.0.0.1:0"] * 2  # as their configurations have it
        assert [node["name"] for node in found["nodes"]] == names
        assert all(node["serves"] for node in found["nodes"])
        assert found["jobs"]["commitments"] in names
        assert [engine["fault"] for engine in found["engines"]] == ["", ""]
        shown = page(other)
        words = run("nodes", "-c", other.config).stdout
        for text in (shown, words, json.dumps(found)):
            assert "schema a" in text
            assert engines.store.endpoint in text
            assert all(name in text for name in names)
            assert SECRET_KEY not in text
        other.stop()
        assert [node["name"] for node in told(one)["nodes"]] == names[1:]


def test_of_one_node_it_is_said_that_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    done = run("nodes", "-c", tmp_path / "config.toml")
    assert done.returncode == 2
    assert "has no [index] and [store]" in done.stderr


def test_engines_that_do_not_answer_are_told_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(
        '[index]\nurl = "postgresql://minipacs:hidden@127.0.0.1:1/minipacs"\n'
        f'[store]\nurl = "file://{tmp_path}/objects"\n'
    )
    (tmp_path / "data").mkdir()
    done = run("nodes", "-c", path)
    assert done.returncode == 1, done.stderr
    assert re.search(r"database: postgresql://minipacs:\*\*\*@127.0.0.1:1/minipacs.*: .*refused",
                     done.stdout), done.stdout  # fmt: skip
    assert "hidden" not in done.stdout + done.stderr
