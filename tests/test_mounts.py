"""Which file system a folder lies on, told from lines as Linux gives them."""

from pathlib import Path

import pytest

from storage import mounts, prepare
from storage.errors import FolderError
from storage.mounts import network_file_system

LINES = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/nas rw,relatime shared:2 - nfs4 10.0.0.1:/export rw,vers=4.2
31 30 254:1 / /mnt/nas/local rw,relatime - xfs /dev/vdb rw
32 22 0:27 / /mnt/with\\040space rw - cifs //server/share rw
33 22 0:28 / /mnt/ssh rw - fuse.sshfs user@host: rw
34 22 254:2 / /mnt/twice rw - nfs 10.0.0.1:/export rw
35 22 254:3 / /mnt/twice rw - ext4 /dev/vdc rw
36 22 0:29 / /mnt/usb rw - fuseblk /dev/sdb1 rw
37 22 0:30 / /run rw - tmpfs tmpfs rw
"""

FOLDERS = {
    "/": "",
    "/var/lib/minipacs": "",
    "/mnt/nas": "nfs4",
    "/mnt/nas/data": "nfs4",
    "/mnt/nasty": "",
    "/mnt/nas/local/data": "",
    "/mnt/with space/data": "cifs",
    "/mnt/ssh/data": "fuse.sshfs",
    "/mnt/twice/data": "",
    "/mnt/usb": "",
    "/run/data": "",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_mount_that_holds_a_folder_tells_its_kind(tmp_path: Path, folder: str) -> None:
    told = tmp_path / "mountinfo"
    told.write_text(LINES)
    assert network_file_system(Path(folder), told) == FOLDERS[folder]


def test_where_the_system_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "absent") == ""


def test_a_data_folder_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "mountinfo"
    told.write_text(f"{LINES}38 22 0:31 / {tmp_path.resolve()} rw - nfs4 10.0.0.1:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", told)
    with pytest.raises(FolderError, match=r"network file system \(nfs4\)"):
        prepare(tmp_path / "data", sync=True, charset="")
    assert not (tmp_path / "data" / "index.sqlite").exists()
