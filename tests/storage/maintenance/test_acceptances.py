"""Accepted faults: which is the same one again, and what becomes of lines that are not whole."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage import Archive, prepare
from storage.diagnostics.errors import ResourceError
from storage.journal import ACCEPTED, RECEIPTS
from storage.journal.receipts import withdraw_all
from storage.maintenance.check.acceptances import Acceptances
from storage.maintenance.check.faults import Fault, FaultKind

UIDS = ("1.1", "1.2", "1.3")


@pytest.fixture
def archive(tmp_path: Path, place_archive: Callable[[Path], None]) -> Iterator[Archive]:
    place_archive(tmp_path / "data")
    yield from opened(tmp_path / "data")


def opened(data: Path) -> Iterator[Archive]:
    prepare(data, sync=False, charset="")
    made = Archive(data, sync=False)
    yield made
    made.close_thread()


def lost(archive: Archive, uids: tuple[str, str, str] = UIDS) -> Fault:
    return Fault(FaultKind.LOST, archive.tree.name(uids), uids)


def accept(archive: Archive, *faults: Fault) -> None:
    assert sum(Acceptances(archive).accept(faults)) == len(faults)


def is_known(archive: Archive, fault: Fault) -> bool:
    return bool(Acceptances(archive).marked(fault).accepted)


def receive(archive: Archive, uids: tuple[str, str, str] = UIDS) -> None:
    told = {"syntax": "1.2.840.10008.1.2", "bytes": 7, "digest": "0" * 64, "charset": ""}
    archive.journal.append(RECEIPTS, uids=uids, **told)


KNOWN = Fault(FaultKind.ROW, "/elsewhere/1.3.dcm", UIDS, "Modality 'CT', 'MR' in the file")
OTHERS: dict[str, dict[str, Any]] = {
    "kind": {"kind": FaultKind.LENGTH},
    "path": {"path": "/elsewhere/1.4.dcm"},
    "a path in its folder": {"path": "/elsewhere/1.3.dcm/1.3.dcm"},
    "no path": {"path": ""},
    "UIDs": {"uids": ("1.1", "1.2", "1.4")},
    "fewer UIDs": {"uids": UIDS[:2]},
    "UIDs divided otherwise": {"uids": ("1.1", "1.21.3")},
    "no UIDs": {"uids": ()},
    "detail": {"detail": "Modality 'CT', 'US' in the file"},
    "longer detail": {"detail": f"{KNOWN.detail}; Rows '1', '2' in the file"},
    "no detail": {"detail": ""},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_differs_is_another_fault(archive: Archive, name: str) -> None:
    accept(archive, KNOWN)
    assert is_known(archive, KNOWN)
    assert not is_known(archive, replace(KNOWN, **OTHERS[name]))


@pytest.mark.parametrize(
    "same", [{"repairable": False}, {"mended": True}, {"done": "left alone"}], ids=str
)
def test_what_was_done_about_it_makes_no_other_of_it(
    archive: Archive, same: dict[str, Any]
) -> None:
    accept(archive, KNOWN)
    assert is_known(archive, replace(KNOWN, **same))


@pytest.mark.parametrize("name", ["notes\n.txt", 'a"b', "caf\udce9.txt", "名", "a\\"])
def test_any_name_of_a_file_is_known_again(archive: Archive, name: str) -> None:
    fault = Fault(FaultKind.STRANGE, str(archive.tree.data / "tree" / name), (), "no folder")
    accept(archive, fault)
    assert is_known(archive, fault)


@pytest.mark.of_folder
def test_faults_are_known_where_the_folder_was_moved_to(archive: Archive, tmp_path: Path) -> None:
    misplaced = Fault(
        FaultKind.MISPLACED, archive.tree.name(UIDS), UIDS, archive.tree.name(("7", "8", "9"))
    )
    accept(archive, misplaced)
    shutil.copytree(archive.tree.data, tmp_path / "moved")
    (moved,) = opened(tmp_path / "moved")
    there = (moved.tree.name(UIDS), moved.tree.name(("7", "8", "9")))
    assert is_known(moved, Fault(FaultKind.MISPLACED, there[0], UIDS, there[1]))


def test_an_instance_that_was_received_again_is_looked_at_anew(archive: Archive) -> None:
    receive(archive)
    other = ("1.1", "1.2", "1.4")
    accept(archive, lost(archive), lost(archive, other))
    accept(archive, KNOWN)  # a second time, and so a second position
    receive(archive, ("9.1", "9.2", "9.3"))
    withdraw_all(archive.journal, UIDS)
    assert is_known(archive, lost(archive))
    receive(archive)
    assert not is_known(archive, lost(archive))
    assert is_known(archive, lost(archive, other))
    accept(archive, lost(archive))
    assert is_known(archive, lost(archive))


def test_what_arrives_while_a_check_runs_is_behind_it(archive: Archive) -> None:
    before = Acceptances(archive)
    receive(archive)
    assert sum(before.accept([lost(archive)])) == 1
    assert not is_known(archive, lost(archive))


def test_what_is_forgotten_can_be_accepted_again(archive: Archive) -> None:
    accept(archive, KNOWN)
    Acceptances(archive).forget()
    assert (len(Acceptances(archive)), is_known(archive, KNOWN)) == (0, False)
    accept(archive, KNOWN)
    assert is_known(archive, KNOWN)


STRANGE: list[dict[str, Any]] = [
    {"accepted": True},
    {"accepted": "yes"},
    {"accepted": True, "kind": "row", "path": "", "uids": "1.1", "detail": "", "receipts": 0},
    {"accepted": True, "kind": "row", "path": "", "uids": [1], "detail": "", "receipts": 0},
    {"accepted": True, "kind": "row", "path": None, "uids": [], "detail": "", "receipts": 0},
    {"accepted": True, "kind": "row", "path": "", "uids": [], "detail": "", "receipts": "0"},
    {"accepted": True, "kind": "row", "path": "", "uids": [], "detail": "", "receipts": -1},
    {"of": "a later version"},
]


@pytest.mark.parametrize("line", STRANGE, ids=str)
def test_a_line_that_nobody_knows_is_passed_over(archive: Archive, line: dict[str, Any]) -> None:
    accept(archive, KNOWN)
    archive.journal.append(ACCEPTED, **line)
    assert len(Acceptances(archive)) == 1
    assert is_known(archive, KNOWN)


def test_a_line_of_a_later_version_with_more_in_it_counts(archive: Archive) -> None:
    line = {"accepted": True, "kind": "row", "path": "a", "uids": [], "detail": "", "receipts": 0}
    archive.journal.append(ACCEPTED, **line, by="Roe")
    assert is_known(archive, Fault(FaultKind.ROW, "a"))


@pytest.mark.of_folder
def test_a_line_that_was_cut_short_is_no_acceptance(archive: Archive) -> None:
    accept(archive, KNOWN)
    path = archive.tree.data / "journal" / "accepted.jsonl"
    whole = path.read_bytes().rstrip(b"\n")
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert not is_known(archive, KNOWN)
    path.write_bytes(whole)
    assert is_known(archive, KNOWN)


@pytest.mark.of_folder
def test_a_full_disk_is_told_and_what_was_written_is_in_force(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [lost(archive, ("1.1", "1.2", f"1.3.{number}")) for number in range(3)]
    write, calls = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        return write(descriptor, data if calls < 2 else data[:7])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ResourceError, match="No space left"):
            list(Acceptances(archive).accept(faults))
    assert [is_known(archive, fault) for fault in faults] == [True, False, False]
    accept(archive, *faults[1:])
    assert all(is_known(archive, fault) for fault in faults)
