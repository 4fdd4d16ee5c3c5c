"""A node whose files are objects, of which the store fails half-way: others go on."""

from pathlib import Path

from pydicom.dataset import Dataset
from support import (
    CT,
    EXPLICIT,
    MOVE,
    Code,
    RunningNode,
    ct,
    destination,
    encoded,
    got,
    identifier,
    retrieved,
    send,
)

# Takes the place of the tree's: the same files, a range at a time, unless there is a flag.
_OPEN = """
import os
from storage.files import FileStatus
from storage.files.objects.ranges import FIRST_BYTES, ObjectFile
from storage.files.objects.store_faults import StoreError

def open_object(self, uids, key=""):
    path = self.path(uids)
    with open(path, "rb") as file:
        first, held = memoryview(file.read(FIRST_BYTES)), os.fstat(file.fileno())

    def read(start, end):
        if os.path.exists({flag!r}):
            raise StoreError("The object store is busy: s3://images; see to it")
        with open(path, "rb") as file:
            file.seek(start)
            return memoryview(file.read(end - start))

    return ObjectFile(FileStatus(held.st_size, held.st_mtime_ns), first, read)
"""


def instance(number: int, size: int) -> Dataset:
    return ct("1.1", "1.2", f"1.3.{number}", PixelData=bytes([number]) * size)


def test_an_instance_whose_object_fails_half_way_fails_alone(tmp_path: Path) -> None:
    flag = tmp_path / "fails"
    source = _OPEN.format(flag=str(flag))
    (tmp_path / "node").mkdir()
    held = [instance(1, 1000), instance(2, 3_000_000), instance(3, 1000)]
    expected = {str(one.SOPInstanceUID): encoded(one) for one in held}
    with destination("PEER") as (inbox, port):
        peers = {"PEER": {"host": "127.0.0.1", "port": port}}
        node = RunningNode(tmp_path / "node", {"peers": peers})
        node.constants = {
            "storage.files.tree.Tree.open": Code(
                f"(lambda made: (exec({source!r}, made), made['open_object'])[1])({{}})"
            )
        }
        node.start()
        try:
            with node.association((CT, EXPLICIT)) as association:
                for uid in (*expected, "1.3.2"):  # the last one is compared with what is held
                    assert send(association, CT, uid, expected[uid]).Status == 0x0000
            assert got(node, "1.1") == expected
            flag.touch()
            with node.association((MOVE["STUDY"], EXPLICIT)) as association:
                query = identifier("STUDY", StudyInstanceUID="1.1")
                answer = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
            assert (answer.status, answer.counts) == (0xB000, (2, 1, 0))
            assert answer.identifier is not None
            assert answer.identifier.FailedSOPInstanceUIDList == "1.3.2"
            assert inbox.data_sets() == {uid: expected[uid] for uid in ("1.3.1", "1.3.3")}
            flag.unlink()
            assert got(node, "1.1") == expected
            assert "object store is busy" in "".join(node.log)
            assert not node.bugs()
        finally:
            node.stop()
