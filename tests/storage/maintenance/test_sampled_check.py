"""A check that reads some of the files: which, and what it sees of the others."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, encoded

from storage import Archive, Received, prepare
from storage.maintenance.check import Fault, Share, check
from storage.maintenance.check.faults import FaultKind

DAY = 86400.0
CHARSET = "ISO_IR 100"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Ten instances, each of a file that was changed since."""
    data = tmp_path / "data"
    prepare(data, sync=False, charset=CHARSET)
    held = Archive(data, sync=False)
    for number in range(10):
        uids = "1.1", "1.2", f"1.3.{number}"
        data_set = encoded(ct(*uids))
        held.store(Received(CT, uids[2], EXPLICIT, data_set, CHARSET))
        path = data / "tree" / "1.1" / "1.2" / f"{uids[2]}.dcm"
        before = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    yield held
    held.close_thread()


def found(archive: Archive, share: Share) -> dict[str, FaultKind]:
    faults: Iterator[Fault] = check(archive, CHARSET, share=share)
    return {fault.uids[2]: fault.kind for fault in faults}


def test_in_as_many_days_each_file_is_read_once(archive: Archive) -> None:
    nights = [found(archive, Share(one_of=3, day=day)) for day in range(3)]
    assert all(set(night.values()) <= {FaultKind.CHANGED} for night in nights)
    read = sorted(uid for night in nights for uid in night)
    assert read == sorted(f"1.3.{number}" for number in range(10))
    assert found(archive, Share(one_of=3, day=3)) == nights[0]


def test_what_arrived_since_is_read(archive: Archive) -> None:
    arrived = (archive.tree.data / "tree/1.1/1.2/1.3.0.dcm").stat().st_mtime
    assert len(found(archive, Share(since=arrived - DAY))) == 10
    assert found(archive, Share(since=arrived + DAY)) == {}


def test_of_the_others_it_is_seen_that_they_are_there(archive: Archive) -> None:
    later = Share(since=4e9)
    (archive.tree.data / "tree/1.1/1.2/1.3.4.dcm").unlink()
    assert found(archive, later) == {"1.3.4": FaultKind.MISSING}


def test_both_are_either(archive: Archive) -> None:
    tonight = found(archive, Share(one_of=3, day=0))
    assert found(archive, Share(one_of=3, day=0, since=4e9)) == tonight
    assert len(found(archive, Share(one_of=3, day=0, since=0.0))) == 10
