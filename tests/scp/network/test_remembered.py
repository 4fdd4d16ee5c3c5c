"""Negotiations remembered, and what an association is made of without pynetdicom's constructor."""

import struct
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pynetdicom import _config
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AddressInformation

from scp.network.association import remembered
from scp.network.association.acceptor import NodeAssociation
from scp.network.association.application_entity import ServiceUsers, address_of
from scp.network.association.negotiation import NodeACSE
from scp.network.association.remembered import Negotiation, Negotiations
from scp.network.association.shared import WorkerContext

PDU_BYTES = 65536


def negotiation() -> Negotiation:
    return cast(Negotiation, object())


def test_a_negotiation_is_found_by_the_same_bytes_and_address_alone() -> None:
    held, one = Negotiations(), negotiation()
    held.remember(b"request", "192.0.2.1", one)
    assert held.find(b"request", "192.0.2.1") is one
    assert held.find(b"request", "192.0.2.2") is None
    assert held.find(b"request ", "192.0.2.1") is None


def test_what_was_not_asked_for_the_longest_makes_room() -> None:
    held, size = Negotiations(), remembered._MOST_BYTES // 8
    for number in range(8):
        held.remember(struct.pack(">I", number) * (size // 4), "192.0.2.1", negotiation())
    assert held.find(bytes(size), "192.0.2.1")  # asked for again
    held.remember(b"x" * size, "192.0.2.1", negotiation())
    assert held.find(bytes(size), "192.0.2.1")
    assert not held.find(struct.pack(">I", 1) * (size // 4), "192.0.2.1")


def test_a_crowd_of_requests_takes_bounded_memory() -> None:
    held = Negotiations()
    for number in range(5000):
        held.remember(number.to_bytes(200, "big"), f"192.0.2.{number % 7}", negotiation())
        held.remember(number.to_bytes(200, "big"), f"192.0.2.{number % 7}", negotiation())
    assert held._bytes == sum(len(request) for request, _ in held._held) <= remembered._MOST_BYTES
    held.remember(bytes(remembered._MOST_BYTES // 4 + 1), "192.0.2.1", negotiation())
    assert not held.find(bytes(remembered._MOST_BYTES // 4 + 1), "192.0.2.1")


def context() -> WorkerContext:
    """What is in force, of a worker that has nothing open."""
    settings = SimpleNamespace(limits=SimpleNamespace(pdu_bytes=PDU_BYTES))
    nothing: Any = None
    return WorkerContext(
        cast(Any, settings), nothing, entity(), nothing, nothing, nothing, nothing, nothing
    )


def entity() -> ApplicationEntity:
    made = ApplicationEntity("MINIPACS")
    made.implementation_class_uid = "1.2.3"
    made.implementation_version_name = "VERSION"
    return made


def test_other_settings_begin_with_nothing_remembered() -> None:
    before = context()
    before.negotiations.remember(b"request", "192.0.2.1", negotiation())
    after = replace(before, settings=before.settings)
    assert after.negotiations.find(b"request", "192.0.2.1") is None
    assert after.users is not before.users


@pytest.mark.parametrize("fault", [{"secured": {"tls": "TLSv1.3"}}, {"_asked_index": True}])
def test_what_more_than_the_request_decides_is_not_remembered(fault: dict[str, Any]) -> None:
    acse = NodeACSE(NodeAssociation(context(), {}, cast(Any, None)))
    assert acse._is_ordinary
    for name, value in fault.items():
        setattr(acse, name, value)
    assert not acse._is_ordinary


# ---- what pynetdicom's constructors make


def test_an_association_has_all_that_pynetdicoms_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "LOG_HANDLER_LEVEL", "none")  # as the node sets it
    monkeypatch.setattr(_config, "WINDOWS_TIMER_RESOLUTION", None)
    ours = NodeAssociation(context(), {}, cast(Any, None))
    theirs = Association(entity(), MODE_ACCEPTOR)
    assert vars(theirs).keys() <= vars(ours).keys()
    of_thread = vars(threading.Thread()).keys()
    plain = {
        name for name, value in vars(theirs).items()
        if isinstance(value, bool | int | float | str | None | list | dict)
    } - of_thread  # fmt: skip
    assert {"_sent_abort", "_mode", "_handlers", "_acse_timeout"} <= plain
    assert {n: vars(ours)[n] for n in plain} == {n: vars(theirs)[n] for n in plain}
    thread = vars(threading.Thread()).keys() | {"_run_loop_delay"}  # it is none, and polls nothing
    assert vars(DULServiceProvider(theirs)).keys() - thread <= vars(ours.dul).keys()
    for timer in ("_idle_timer", "artim_timer"):
        assert getattr(ours.dul, timer).timeout == getattr(theirs.dul, timer).timeout


def test_service_users_are_what_pynetdicom_makes() -> None:
    theirs = Association(entity(), MODE_ACCEPTOR)
    theirs.acceptor.maximum_length = PDU_BYTES
    theirs.acceptor.ae_title = "MINIPACS"
    theirs.acceptor.implementation_class_uid = theirs.ae.implementation_class_uid
    theirs.acceptor.implementation_version_name = theirs.ae.implementation_version_name
    first, second = (ServiceUsers(entity(), PDU_BYTES).of(theirs) for _ in range(2))
    for made, real in zip(first, (theirs.requestor, theirs.acceptor), strict=True):
        assert vars(made).keys() == vars(real).keys()
        assert made.user_information == real.user_information
        assert (made.mode, made.ae_title, made.assoc) == (real.mode, real.ae_title, theirs)
        assert made._ext_neg == real._ext_neg
    for one, other in zip(first, second, strict=True):
        for kind, items in one._ext_neg.items():
            assert items is not other._ext_neg[kind]


@pytest.mark.parametrize("found", [("192.0.2.1", 104), ("::1", 104, 0, 0), ("fe80::1", 104, 0, 1)])
def test_an_address_is_what_pynetdicom_makes_of_it(found: tuple[Any, ...]) -> None:
    assert vars(address_of(found)) == vars(AddressInformation.from_tuple(found))
