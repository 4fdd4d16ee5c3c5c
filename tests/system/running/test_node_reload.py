"""SIGHUP: the configuration is read again, associations go on, and what is wrong stays out."""

import os
import signal

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    MOVE,
    RunningNode,
    StartNode,
    ct,
    encoded,
    free_port,
    identifier,
    retrieved,
    send,
)


def store(node: RunningNode, number: int, name: str = "Doe^Jane", title: str = "TESTER") -> int:
    data_set = ct("1.1", "1.2", f"1.3.{number}", PatientName=name)
    with node.association((CT, EXPLICIT), ae_title=title) as association:
        return int(send(association, CT, f"1.3.{number}", encoded(data_set)).Status)


def move_status(node: RunningNode, destination: str) -> int:
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID="1.1")
        return retrieved(association.send_c_move(query, destination, MOVE["STUDY"])).status


def test_a_new_peer_is_known(start_node: StartNode) -> None:
    node = start_node()
    assert store(node, 1) == 0x0000
    assert move_status(node, "NEW") == 0xA801
    node.configure({"peers": {"NEW": {"host": "127.0.0.1", "port": free_port()}}})
    node.reload()
    assert move_status(node, "NEW") == 0xA702  # known, and down


def test_access_is_as_it_says_now(start_node: StartNode) -> None:
    node = start_node()
    assert node.associate((ECHO, IMPLICIT), ae_title="STRANGER").is_established
    node.configure({"access": {"any_peer": False}, "peers": {"TESTER": {}}})
    node.reload()
    assert node.associate((ECHO, IMPLICIT), ae_title="STRANGER").is_rejected
    assert node.echoes()


def test_limits_and_conflicts_are_as_it_says_now(start_node: StartNode) -> None:
    node = start_node(limits={"associations": 5})
    assert store(node, 1, "First^Name") == 0x0000
    node.configure({"limits": {"associations": 1}, "storage": {"on_conflict": "refuse"}})
    node.reload()
    assert store(node, 1, "Second^Name") == 0x0111
    with node.association((ECHO, IMPLICIT)):
        assert node.associate((ECHO, IMPLICIT)).is_rejected


def test_the_title_is_as_it_says_now(start_node: StartNode) -> None:
    node = start_node()
    node.configure({"node": {"ae_title": "RENAMED"}})
    node.reload()
    assert node.associate((ECHO, IMPLICIT), called="RENAMED").is_established
    assert node.associate((ECHO, IMPLICIT), called="MINIPACS").is_rejected


def test_every_worker_takes_it(start_node: StartNode) -> None:
    node = start_node(node={"workers": 2})
    mark = node.mark()
    node.configure({"node": {"workers": 2}, "limits": {"associations": 50}})
    node.reload()
    node.wait_for_log("configuration reloaded", count=2, after=mark)
    assert store(node, 1) == 0x0000


def test_an_association_goes_on(start_node: StartNode) -> None:
    """By what was agreed when it was opened."""
    node = start_node()
    with node.association((CT, EXPLICIT), ae_title="GUEST") as association:
        node.configure({"access": {"any_peer": False}})
        node.reload()
        data_set = encoded(ct("1.1", "1.2", "1.3"))
        assert send(association, CT, "1.3", data_set).Status == 0x0000
    assert node.associate((CT, EXPLICIT), ae_title="GUEST").is_rejected


WRONG = [
    ("[node]\nport = 99999\n", "port"),
    ("[nodes]\n", "nodes"),
    ("not TOML", "not TOML"),
    ('[tls]\ncertificate = "none.pem"\nkey = "none.key"\n', "certificate"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_configuration_is_refused_and_the_old_one_stays(
    start_node: StartNode, text: str, said: str
) -> None:
    node = start_node(peers={"TESTER": {}}, access={"any_peer": False})
    whole, mark = node.config.read_text(), node.mark()
    node.config.write_text(text)
    node.reload("not reloaded, the old one stays")
    assert said in node.wait_for_log("not reloaded", after=mark)
    assert node.echoes()
    assert node.associate((ECHO, IMPLICIT), ae_title="STRANGER").is_rejected
    node.config.write_text(whole)
    node.reload()


def test_what_needs_a_new_start_is_told(start_node: StartNode) -> None:
    node = start_node()
    mark = node.mark()
    node.configure({"node": {"port": free_port()}, "storage": {"path": "elsewhere"}})
    node.reload()
    for key in ("[node] port", "[storage] path"):
        node.wait_for_log(key, "takes effect at the next start", after=mark)
    assert store(node, 1) == 0x0000
    assert len(node.files()) == 1


def test_a_worker_that_is_replaced_later_has_it_too(start_node: StartNode) -> None:
    node = start_node()
    node.configure({"access": {"any_peer": False}, "peers": {"TESTER": {}}})
    node.reload()
    mark = node.mark()
    for worker in node.workers:
        os.kill(worker, signal.SIGKILL)
    node.wait_for_log("died, starting another", after=mark)
    assert node.echoes()
    assert node.associate((ECHO, IMPLICIT), ae_title="STRANGER").is_rejected
