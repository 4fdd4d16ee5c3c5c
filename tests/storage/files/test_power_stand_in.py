"""A power cut without a disk to cut off: a stand-in keeps what was synced, and drops the rest.

The index is as it was at first.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from support import CT, EXPLICIT, ct, encoded
from support.checks.faults import damage
from support.machine.synced_disk import SyncedDisk

from storage import Archive, Received, StoreOutcome, prepare
from storage.dicom.values.uids import Uids

CHARSET = "ISO_IR 100"
# Instance and name: new, again, other content, of the same length and not, in other folders.
STORES = [
    ("1.1", "1.2", "1.3.1", "Old^Name"),
    ("1.1", "1.2", "1.3.2", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "New^Name"),
    ("1.1", "1.4", "1.3.3", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "A^Longer^Name"),
    ("2.1", "2.2", "2.3", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "Old^Name"),
]


def received(store: tuple[str, str, str, str]) -> Received:
    *uids, name = store
    data_set = encoded(ct(*uids, PatientID=f"P{uids[0]}", PatientName=name))
    return Received(CT, uids[2], EXPLICIT, data_set, CHARSET)


def test_stand_in_at_each_sync_what_was_acknowledged_is_on_the_disk(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    prepare(data, sync=True, charset=CHARSET)
    archive = Archive(data, sync=True)
    disk = SyncedDisk(data)
    acknowledged: dict[Uids, bytes] = {}
    under_way: list[tuple[Uids, bytes]] = []
    cuts: list[Callable[[], None]] = []

    def cut() -> None:
        folder = disk.after_a_cut(tmp_path / f"cut{len(cuts)}")
        may_be = {uids: {content} for uids, content in acknowledged.items()}
        for uids, content in under_way:
            may_be[uids] = may_be.get(uids, {b""}) | {content}
        cuts.append(lambda: compare(folder, may_be))

    with disk.noting(cut):
        for store in STORES:
            one = received(store)
            assert isinstance(one.data_set, bytes)
            uids = (store[0], store[1], store[2])
            under_way[:] = [(uids, one.data_set)]
            stored = archive.store(one)
            assert stored.outcome is not StoreOutcome.KEPT
            under_way.clear()
            acknowledged[uids] = one.data_set
            cut()
    archive.index.database.close_all()
    assert len(cuts) > 5 * len(STORES)
    for compare_one in cuts:
        compare_one()


def compare(data: Path, may_be: dict[Uids, set[bytes]]) -> None:
    """What is there after the next start is among what may be there, and found."""
    prepare(data, sync=False, charset=CHARSET)
    archive = Archive(data, sync=False)
    try:
        assert damage(archive) == []
        for uids, contents in may_be.items():
            path = archive.tree.path(uids)
            there = path.read_bytes() if path.exists() else b""
            assert any(there.endswith(content) for content in contents if content or not there)
            assert there or b"" in contents
        assert {path.stem for path in archive.tree.walk()} <= {uids[2] for uids in may_be}
    finally:
        archive.index.database.close_all()
    shutil.rmtree(data)
