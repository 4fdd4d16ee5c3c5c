"""`minipacs stats` and `minipacs peers`, as a user runs them."""

import json
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    RunningNode,
    StartNode,
    ct,
    destination,
    encoded,
    free_port,
    program,
    running_node,
    send,
)

from storage.dicom import part10
from storage.journal import RECEIPTS, FolderJournal
from storage.journal.receipts import withdraw

STUDIES = {"CT": "1.1", "MR": "1.2"}  # modality -> study


def run(node: RunningNode, *given: str) -> "subprocess.CompletedProcess[str]":
    environment = {"COLUMNS": "200", "PATH": "", "LANG": "C.UTF-8"}
    done = program.run(*given, "-c", node.config, env=environment)
    assert "Traceback" not in done.stderr
    return done


def store(node: RunningNode, sender: str, *instances: tuple[str, str]) -> int:
    """Send instances, by number and modality; their bytes."""
    total = 0
    with node.association((CT, EXPLICIT), ae_title=sender) as association:
        for number, modality in instances:
            study = STUDIES[modality]
            data = encoded(
                ct(study, f"{study}.1", f"1.3.{number}", Modality=modality, PatientID="P")
            )
            assert send(association, CT, f"1.3.{number}", data).Status == 0
            total += len(data)
    return total


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningNode, int, int]]:
    """A node with what two senders sent, and how much each did."""
    with running_node(tmp_path_factory.mktemp("stats")) as node:
        ours = store(node, "CT1", ("1", "CT"), ("2", "CT"), ("3", "MR"))
        theirs = store(node, "MR1", ("4", "MR"))
        store(node, "MR1", ("4", "MR"))  # there already
        yield node, ours, theirs


def told(node: RunningNode) -> dict[str, Any]:
    done = run(node, "stats", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_what_is_held_is_told_by_modality_sender_and_month(
    filled: tuple[RunningNode, int, int],
) -> None:
    node, ours, theirs = filled
    document = told(node)
    held = document["held"]
    assert held.pop("free_bytes") > 0
    assert held == {
        "patients": 1, "studies": 2, "series": 2, "instances": 4, "bytes": ours + theirs,
    }  # fmt: skip
    half = (ours + theirs) // 2
    assert document["by_modality"] == {
        name: {"studies": 1, "series": 1, "instances": 2, "bytes": half} for name in ("CT", "MR")
    }
    senders = document["by_sender"]
    assert [(name, share["instances"], share["bytes"]) for name, share in senders.items()] == [
        ("CT1", 3, ours), ("MR1", 1, theirs),
    ]  # fmt: skip
    ((month, share),) = document["by_month"].items()
    assert senders["CT1"]["last"].startswith(month)
    assert share == {"instances": 4, "bytes": ours + theirs}


def test_a_person_gets_tables_and_bars(filled: tuple[RunningNode, int, int]) -> None:
    node, ours, theirs = filled
    lines = run(node, "stats").stdout.splitlines()
    summary = f"1 patients, 2 studies, 2 series, 4 instances; {ours + theirs} B, "
    assert lines[0].startswith(summary)
    assert ["CT1", "3", str(ours), "B"] in [line.split()[:4] for line in lines]
    assert lines[-1].split()[-1] == "█" * 30


def copied(node: RunningNode, folder: Path) -> RunningNode:
    shutil.copytree(node.data, folder / "data")
    return RunningNode(folder)


def test_only_what_is_held_counts(filled: tuple[RunningNode, int, int], tmp_path: Path) -> None:
    """Not what was withdrawn, displaced or lost; and what has no receipt is of nobody."""
    node, ours, theirs = filled
    other = copied(node, tmp_path)
    journal = FolderJournal(other.data, sync=False)
    sent = {"syntax": EXPLICIT, "bytes": 7, "sender": "GONE", "charset": ""}
    journal.append(RECEIPTS, uids=["1.1", "1.1.1", "1.3.1"], digest="f" * 64, **sent)
    withdraw(journal, ("1.1", "1.1.1", "1.3.1"), "f" * 64)
    with sqlite3.connect(other.data / "index.sqlite") as index:
        index.execute(
            "UPDATE instance SET digest = '', sender = '', received = 0 "
            "WHERE SOPInstanceUID = '1.3.4'"
        )
    senders = told(other)["by_sender"]
    assert {name: (share["instances"], share["bytes"]) for name, share in senders.items()} == {
        "CT1": (3, ours), "": (1, theirs),
    }  # fmt: skip


def test_an_archive_that_holds_nothing_has_its_zeros(start_node: StartNode) -> None:
    node = start_node()
    assert told(node)["held"]["instances"] == 0
    assert run(node, "stats").stdout.startswith("0 patients, 0 studies, 0 series, 0 instances; 0 B")


@pytest.mark.parametrize(("given", "words"), [
    (("stats",), "[storage] path: {folder}/data: No such file or directory"),
    (("stats", "--fast"), "No such option"),
    (("peers", "NOBODY"), "[peers.NOBODY]: there is no such table"),
], ids=["no folder", "unknown option", "unknown peer"])  # fmt: skip
def test_wrong_usage_is_told_in_a_line(tmp_path: Path, given: tuple[str, ...], words: str) -> None:
    done = run(RunningNode(tmp_path), *given)
    assert done.returncode == 2
    assert words.format(folder=tmp_path) in done.stderr


# ---- peers


@contextmanager
def peers(folder: Path) -> Iterator[RunningNode]:
    """A node that does not run, with peers: one that answers, one each that does not, and why."""
    (folder / "strict").mkdir()
    strict = {"access": {"any_peer": False, "any_called_title": True}}
    with (
        running_node(folder / "strict", strict) as other,
        destination("FINE", ECHO, CT) as (_, port),
        destination("CTS ONLY", CT) as (_, without),
        socket.create_server(("127.0.0.1", 0)) as mute,
        socket.create_server(("127.0.0.1", 0)) as rude,
    ):
        threading.Thread(target=lambda: rude.accept()[0].close(), daemon=True).start()
        tables = {
            "FINE": {"host": "127.0.0.1", "port": port, "allow": ["echo", "find"]},
            "STRICT": {"host": "127.0.0.1", "port": other.port, "from": ["10.0.0.0/8"]},
            "DOWN": {"host": "127.0.0.1", "port": free_port(), "tls": False},
            "MUTE": {"host": "127.0.0.1", "port": mute.getsockname()[1], "acse_timeout": 0.5},
            "RUDE": {"host": "127.0.0.1", "port": rude.getsockname()[1]},
            "CTS ONLY": {"host": "127.0.0.1", "port": without},
            "NOWHERE": {"host": "no.such.host.invalid", "port": 104},
            "CALLS ONLY": {},
        }
        yield RunningNode(folder, {"peers": tables})


def test_each_peer_is_echoed_with_result_time_and_rights(tmp_path: Path) -> None:
    with peers(tmp_path) as node:
        done = run(node, "peers")
        alone = run(node, "peers", "FINE")
        plain = run(node, "peers", "--json", "FINE", "DOWN", "CALLS ONLY")
    assert (done.returncode, plain.returncode) == (1, 1)
    fine, down, calls = json.loads(plain.stdout)
    assert (fine["peer"], fine["answered"], fine["fault"]) == ("FINE", True, None)
    assert (fine["allow"], fine["seconds"] > 0) == (["echo", "find"], True)
    assert (down["answered"], down["fault"]) == (False, "cannot be reached: Connection refused")
    assert (calls["host"], calls["answered"]) == (None, None)
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    for title, words in {
        "FINE": ("answered in ", " ms", "echo, find", "any address"),
        "STRICT": ("rejects the association: Calling AE title not recognised", "10.0.0.0/8"),
        "DOWN": ("cannot be reached: Connection refused", "all"),
        "MUTE": ("does not answer within",),
        "RUDE": ("ended the association at once",),
        "CTS ONLY": ("does not take Verification",),
        "NOWHERE": ("cannot be reached: ",),
        "CALLS ONLY": ("not asked: no host",),
    }.items():
        assert all(word in lines[title] for word in words), lines[title]
    assert alone.returncode == 0
    assert len(alone.stdout.splitlines()) == 2
    assert (done.stderr, alone.stderr) == ("", "")  # nothing of what pynetdicom logs


def test_a_file_that_was_put_into_the_tree_by_hand_is_of_nobody(
    filled: tuple[RunningNode, int, int], tmp_path: Path
) -> None:
    node, _, _ = filled
    other = copied(node, tmp_path)
    one = ct("9.1", "9.2", "9.3", PatientID="P9", Modality="")
    path = other.path(one)
    path.parent.mkdir(parents=True)
    path.write_bytes(part10.header(CT, "9.3", EXPLICIT) + encoded(one))
    assert run(other, "rebuild").returncode == 0
    document = told(other)
    assert document["by_modality"][""]["instances"] == 1
    assert document["by_sender"][""]["instances"] == document["by_month"][""]["instances"] == 1
    assert "(unknown)" in run(other, "stats").stdout
