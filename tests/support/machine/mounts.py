"""Disks of the tests' own: a file with ext4 on it, mounted; where the machine lets us."""

import fcntl
import os
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

# <linux/fs.h>, FS_IOC_SHUTDOWN: _IOR('X', 125, __u32).
_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = 2


class Disk:
    """A disk that is mounted on `folder` for as long as the block lasts."""

    def __init__(self, path: Path, mebibytes: int, *options: str) -> None:
        path.mkdir()
        self.folder = path / "mounted"
        self._file = path / "disk.img"
        self._bytes = mebibytes << 20
        self._options = options

    def __enter__(self) -> "Disk":
        self.folder.mkdir()
        with self._file.open("wb") as file:
            file.truncate(self._bytes)
        # The superuser's part is ours as well: a full disk is full.
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-e", "remount-ro", *self._options, self._file)
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        self._unmount()
        self._file.unlink()

    def cut_power(self) -> None:
        """Drop everything that the disk has not got, and take nothing any more."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("=I", _WITHOUT_FLUSHING))
        finally:
            os.close(descriptor)

    def mount_again(self) -> None:
        """Mount it as after a power cut; the filesystem replays its own journal."""
        self._unmount()
        self._mount()

    def force_read_only(self) -> None:
        """As after an error that the filesystem met (errors=remount-ro); files may be open."""
        _run("mount", "-o", "remount,abort", self.folder)

    def _mount(self) -> None:
        _run("mount", "-o", "loop", self._file, self.folder)

    def _unmount(self) -> None:
        _run("umount", self.folder)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@cache
def can_mount() -> bool:
    """Whether a file can be mounted here as a disk, by whom the tests run as."""
    if os.geteuid() or not all(map(shutil.which, ("mkfs.ext4", "mount", "umount"))):
        return False
    with TemporaryDirectory() as folder:
        try:
            with Disk(Path(folder) / "probe", 8):
                return True
        except AssertionError:
            return False
