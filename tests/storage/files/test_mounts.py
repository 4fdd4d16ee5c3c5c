"""On which file systems a data folder may lie, told from lines as Linux gives them."""

import subprocess
from pathlib import Path

import pytest
from support import toml
from support.machine.mounts import Disk, can_mount
from support.program import run

from storage import prepare
from storage.diagnostics.errors import FolderError
from storage.files.disk import file_system
from storage.files.disk.file_system import Mount, holding, mount_of, parsed, require_known

LINES = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/nas rw,relatime shared:2 - nfs4 10.0.0.1:/export rw,vers=4.2
31 30 254:1 / /mnt/nas/local rw,relatime - xfs /dev/vdb rw
32 22 0:27 / /mnt/with\\040space rw - cifs //server/share rw
33 22 0:28 / /mnt/ssh rw - fuse.sshfs user@host: rw
34 22 254:2 / /mnt/twice rw - nfs 10.0.0.1:/export rw
35 34 254:3 / /mnt/twice rw - ext4 /dev/vdc rw
36 22 0:29 / /mnt/usb rw - fuseblk /dev/sdb1 rw
37 22 0:30 / /run rw - tmpfs tmpfs rw
40 22 254:4 / /mnt/hidden/below rw - ext4 /dev/vdd rw
41 22 0:31 / /mnt/hidden rw - fuse.ceph-fuse ceph-fuse rw
42 41 254:5 / /mnt/hidden/above rw - btrfs /dev/vde rw
43 22 254:0 /srv /mnt/bind rw - ext4 /dev/vda rw
44 22 0:32 / /mnt/back\\134slash\\012line rw - ceph mon:/ rw
45 22 0:33 / /mnt/container rw - overlay overlay rw,lowerdir=/l,upperdir=/u,volatile
46 22 0:34 / /mnt/no\\040source rw -  ext4
"""
FOLDERS = {
    "/": "ext4",
    "/var/lib/minipacs": "ext4",
    "/mnt/nas": "nfs4",
    "/mnt/nas/data": "nfs4",
    "/mnt/nasty": "ext4",
    "/mnt/nas/local/data": "xfs",
    "/mnt/with space/data": "cifs",
    "/mnt/ssh/data": "fuse.sshfs",
    "/mnt/twice/data": "ext4",
    "/mnt/usb": "fuseblk",
    "/run/data": "tmpfs",
    "/mnt/hidden/below/data": "fuse.ceph-fuse",  # the later mount hides the one below it
    "/mnt/hidden/above/data": "btrfs",
    "/mnt/bind/data": "ext4",
    "/mnt/back\\slash\nline/data": "ceph",
}
UNKNOWN = (
    "nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.ceph-fuse", "fuse.seaweedfs", "fuse.juicefs",
    "fuse.mfs", "fuse.blobfuse2", "fuse.mount-s3", "fuse.s3fs", "fuse.sshfs", "fuse.glusterfs",
    "glusterfs", "fuse", "fuseblk", "gfs2", "ocfs2", "9p", "virtiofs", "davfs", "afs", "lustre",
    "beegfs", "gpfs", "vfat", "exfat", "ntfs3", "iso9660", "never-heard-of",
)  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_mount_that_holds_a_folder_tells_its_kind(folder: str) -> None:
    found = holding(Path(folder), parsed(LINES))
    assert found
    assert found.kind == FOLDERS[folder]


def test_the_root_of_a_namespace_may_be_told_last_and_have_no_parent() -> None:
    told = parsed("22 27 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n")
    for folder, kind in (("/", "ext4"), ("/proc/1", "proc")):
        found = holding(Path(folder), told)
        assert found
        assert found.kind == kind
    itself = parsed("1 1 0:2 / / rw - rootfs rootfs rw\n")
    assert holding(Path("/data"), itself) == itself[0]


def on(kind: str, monkeypatch: pytest.MonkeyPatch, folder: Path, lines: str = "") -> None:
    told = folder.parent / "mountinfo"
    told.write_text(
        f"1 0 0:1 / / rw - ext4 /dev/vda rw\n9 1 0:9 / {folder} rw - {kind} x rw\n{lines}"
    )
    monkeypatch.setattr(file_system, "_MOUNTS", told)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_known_to_be_good_is_refused_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path.resolve() / "there"
    folder.mkdir()
    on(kind, monkeypatch, folder)
    with pytest.raises(FolderError) as refused:
        require_known(folder / "data", any_file_system=False)
    for words in (str(folder / "data"), f"{kind}, mounted at {folder}", "any_file_system = true"):
        assert words in str(refused.value)
    (warning,) = require_known(folder / "data", any_file_system=True)
    assert kind in warning
    with pytest.raises(FolderError, match="any_file_system"):
        prepare(folder / "data", sync=True, charset="")
    assert not (folder / "data").exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay"])
def test_what_is_known_to_be_good_is_taken_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path.resolve() / "there"
    on(kind, monkeypatch, folder)
    assert require_known(folder / "data", any_file_system=False) == []


def test_what_a_power_cut_takes_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path.resolve() / "there"
    on("tmpfs", monkeypatch, folder)
    (warning,) = require_known(folder / "data", any_file_system=False)
    assert warning.endswith("a power cut takes all that is there")
    container = holding(Path("/mnt/container"), parsed(LINES))
    assert container
    assert not container.is_lasting


def test_where_the_system_does_not_tell_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_system, "_MOUNTS", tmp_path / "absent")
    with pytest.raises(FolderError, match=r"does not tell.*any_file_system = true"):
        require_known(tmp_path, any_file_system=False)
    assert require_known(tmp_path, any_file_system=True)


@pytest.mark.parametrize("part", ["journal", "tree", "incoming", "superseded"])
def test_a_part_of_the_folder_on_another_mount_is_judged_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    data = tmp_path.resolve() / "data"
    for name in ("journal", "tree", "incoming", "superseded"):
        (data / name).mkdir(parents=True)
    on("ext4", monkeypatch, data, f"10 9 0:10 / {data / part} rw - fuse.sshfs x rw\n")
    with pytest.raises(FolderError, match=r"fuse\.sshfs, mounted at"):
        require_known(data, any_file_system=False)
    on("ext4", monkeypatch, data, f"10 9 0:10 / {data / part} rw - xfs x rw\n")
    if part == "journal":
        assert require_known(data, any_file_system=False) == []
    else:  # files are renamed between these
        with pytest.raises(FolderError, match="several file systems"):
            require_known(data, any_file_system=True)


def test_a_symbolic_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path.resolve() / "there"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    on("nfs4", monkeypatch, folder)
    assert mount_of(tmp_path / "link" / "data").kind == "nfs4"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert not mount_of(tmp_path / "loop").is_known


COMMANDS = (("serve",), ("import", "."), ("rebuild",), ("check", "--repair"), ("stats",))


@pytest.mark.skipif(not can_mount(), reason="no file can be mounted as a disk here")
def test_every_command_refuses_a_disk_that_is_not_known_to_be_good(tmp_path: Path) -> None:
    """ext4 is unknown for once: the code does not know it, and Linux mounts it for real."""
    program = (
        "from storage.files.disk import file_system; file_system.KNOWN = frozenset(); "
        "from scp.cli import main; main()"
    )
    with Disk(tmp_path / "with space", 16) as disk:
        config = tmp_path / "config.toml"
        config.write_text(toml({"node": {"port": 0}, "storage": {"path": str(disk.folder)}}))
        for command in COMMANDS:
            done = run(*command, "-c", config, code=program)
            assert done.returncode == 2, (command, done.stderr)
            (line,) = done.stderr.splitlines()
            assert f"{disk.folder}: on ext4, mounted at {disk.folder}" in line, command
            assert "any_file_system = true" in line
        assert [one.name for one in disk.folder.iterdir()] == ["lost+found"]


@pytest.mark.skipif(not can_mount(), reason="no file can be mounted as a disk here")
def test_a_read_only_disk_is_refused_in_a_line(tmp_path: Path) -> None:
    with Disk(tmp_path / "disk", 16) as disk:
        data = disk.folder / "data"
        data.mkdir()
        subprocess.run(["mount", "-o", "remount,ro", disk.folder], check=True)
        config = tmp_path / "config.toml"
        for path in (data, disk.folder / "new"):
            config.write_text(toml({"node": {"port": 0}, "storage": {"path": str(path)}}))
            for command in (("serve",), ("import", ".")):
                done = run(*command, "-c", config)
                (line,) = done.stderr.splitlines()
                assert done.returncode == 2
                assert "mounted read-only: mount it to be written" in line


def test_kinds_are_compared_whole() -> None:
    assert not Mount(1, 0, Path("/"), "ext4.fuse").is_known
