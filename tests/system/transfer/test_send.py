"""`minipacs send`, as a user runs it."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import (
    CT,
    EXPLICIT,
    ROOT,
    START_SECONDS,
    RunningNode,
    ct,
    destination,
    encoded,
    free_port,
    minipacs,
)

from storage import Archive, Received, prepare

CHARSET = "ISO_IR 100"
MR = "1.2.840.10008.5.1.4.1.1.4"
HELD = {  # instance -> study, SOP class
    "1.3.1": ("1.1", CT), "1.3.2": ("1.1", CT), "1.3.3": ("1.1", MR), "2.3.1": ("2.1", CT),
}  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """One that does not run: what is sent comes from the folder."""
    data = tmp_path / "data"
    prepare(data, sync=False, charset=CHARSET)
    archive = Archive(data, sync=False)
    for instance, (_, sop_class) in HELD.items():
        archive.store(Received(sop_class, instance, EXPLICIT, data_set(instance), CHARSET))
    archive.close_thread()
    made = RunningNode(tmp_path)
    return made


def data_set(instance: str) -> bytes:
    study, sop_class = HELD[instance]
    return encoded(ct(study, f"{study}.2", instance, PatientID="P", SOPClassUID=sop_class))


def send(node: RunningNode, port: int, *given: str) -> "subprocess.CompletedProcess[str]":
    node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": port}, "MUTE": {}}})
    done = minipacs("send", node, *given)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(("given", "instances"), [
    (("--patient", "P"), list(HELD)), (("--study", "1.1"), ["1.3.1", "1.3.2", "1.3.3"]),
    (("--series", "2.1.2"), ["2.3.1"]), (("--instance", "1.3.2"), ["1.3.2"]),
])  # fmt: skip
def test_what_is_named_arrives_byte_for_byte(
    node: RunningNode, given: tuple[str, str], instances: list[str]
) -> None:
    with destination("DEST", CT, MR) as (inbox, port):
        done = send(node, port, "DEST", *given)
        assert inbox.data_sets() == {one: data_set(one) for one in instances}
    assert done.returncode == 0, done.stdout
    counts = f"{given[0][2:]} {given[1]} to DEST: sent={len(instances)}, warned=0, failed=0, "
    assert done.stdout.startswith(counts)
    (line,) = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["event"], told["destination"], told["sent"]) == ("send", "DEST", len(instances))


def test_what_the_peer_refuses_is_told_and_the_rest_arrives(node: RunningNode) -> None:
    with destination("DEST", CT) as (inbox, port):
        inbox.statuses["1.3.3"] = 0xA700
        done = send(node, port, "DEST", "--study", "1.1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("1.3.3: ")
    assert "sent=2, warned=0, failed=1" in done.stdout


def test_json_tells_what_was_sent_and_what_was_not(node: RunningNode) -> None:
    with destination("DEST", CT) as (inbox, port):
        inbox.statuses = {"1.3.2": 0xA700, "1.3.3": 0xB000}
        done = send(node, port, "DEST", "--study", "1.1", "--study", "9.9", "--json")
        nothing = send(node, port, "DEST", "--study", "9.9", "--json")
    assert (done.returncode, nothing.returncode) == (1, 1)
    document = json.loads(done.stdout)
    counts = [document[name] for name in ("to", "sent", "warned", "failed")]
    assert counts == ["DEST", 1, 1, 1]
    assert document["bytes"] == len(data_set("1.3.1")) + len(data_set("1.3.3"))
    assert document["absent"] == json.loads(nothing.stdout)["absent"] == ["study 9.9"]
    told = {one["instance"]: (one["result"], one["reason"]) for one in document["problems"]}
    assert {uid: result for uid, (result, _) in told.items()} == {
        "1.3.2": "failed", "1.3.3": "warned",
    }  # fmt: skip
    assert "A700" in told["1.3.2"][1]


def test_a_peer_that_is_down_gets_nothing(node: RunningNode) -> None:
    done = send(node, free_port(), "DEST", "--study", "1.1")
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    assert "sent=0, warned=0, failed=3" in done.stdout


def test_what_was_interrupted_is_in_the_audit_trail(node: RunningNode) -> None:
    # A shell has what it runs in the background ignore SIGINT, and tests may be run so.
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from scp.cli import main; main()"
    )
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": port}}})
        given = ("send", "DEST", "--study", "1.1", "-c", str(node.config))
        with subprocess.Popen(
            [sys.executable, "-c", heeding, *given], cwd=ROOT, text=True, stderr=subprocess.PIPE
        ) as process:
            connection, _ = mute.accept()  # it waits for an answer now
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=START_SECONDS)
        connection.close()
    assert (process.returncode, errors) == (130, "minipacs: interrupted\n")
    (line,) = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["event"], told["sent"], told["outcome"]) == ("send", 0, "interrupted")


@pytest.mark.parametrize(("given", "code", "words"), [
    (("NOBODY", "--study", "1.1"), 2, "[peers] has no NOBODY; with an address: DEST"),
    (("MUTE", "--study", "1.1"), 2, "[peers] MUTE: no host and port"),
    (("DEST",), 2, "takes one or more of --patient"),
    (("--study", "1.1"), 2, "Missing argument 'AET'"),
    (("DEST", "--study", "9.9"), 1, "study 9.9: nothing is held"),
], ids=["unknown", "no host", "nothing named", "no peer", "not held"])  # fmt: skip
def test_wrong_usage_is_told(
    node: RunningNode, given: tuple[str, ...], code: int, words: str
) -> None:
    done = send(node, free_port(), *given)
    assert done.returncode == code
    assert words in " ".join((done.stderr + done.stdout).split())
