"""What file systems a data folder lies on, as Linux tells it, and which are known to be good."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.diagnostics import FolderError

# Of one machine alone, with locks between its processes, shared memory between those who have the
# index open (https://www.sqlite.org/wal.html, "Disadvantages"), renames and links that are whole
# or not there, rights of owners, and a sync that reaches the disk. What an overlay takes lies in
# its upper folder, with the locks and syncs of that.
KNOWN = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2",
    "overlay", "tmpfs", "ramfs", "rootfs",
})  # fmt: skip
# Gone with the power.
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs"})
# What a data folder has, and between which of it files are renamed.
_PARTS = ("", "tree", "incoming", "superseded", "journal", "log", "index.sqlite")
_RENAMED_BETWEEN = ("incoming", "tree", "superseded")
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """A line of proc(5), mountinfo: where it is mounted, what kind it is, and its own options."""

    number: int
    parent: int
    point: Path
    kind: str
    options: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether it is one of those that a data folder is safe on."""
        return self.kind in KNOWN

    @property
    def is_lasting(self) -> bool:
        """Whether a sync there outlasts a power cut."""
        return self.kind not in _IN_MEMORY and "volatile" not in self.options

    def __str__(self) -> str:
        return f"{self.kind}, mounted at {self.point}" if self != _UNTOLD else self.kind


_UNTOLD = Mount(0, 0, Path("/"), "a file system that /proc/self/mountinfo does not tell")


def require_known(data: Path, any_file_system: bool) -> list[str]:
    """What cannot be promised of the file systems that a data folder lies on, a sentence each.

    Raises FolderError where one of them is not known to be good, unless `any_file_system`, and
    where files cannot be renamed between the folder's parts.
    """
    there = [name for name in _PARTS if not name or (data / name).exists()]
    found = {data / name: mount_of(data / name) for name in there}
    _require_one(data, {one: found[one] for one in found if one.name in _RENAMED_BETWEEN})
    told: dict[Mount, str] = {}
    for where, mount in found.items():
        if mount.is_known:
            told.setdefault(mount, "" if mount.is_lasting else f"{where}: on {mount}: a power cut "
                            "takes all that is there")  # fmt: skip
        elif any_file_system:
            told.setdefault(
                mount,
                f"{where}: on {mount}; any_file_system is true, but whether there a sync outlasts "
                "a power cut, the index answers rightly and another node is kept out is not known",
            )
        else:
            raise FolderError(
                f"{where}: on {mount}, which is not known to keep locks and syncs as a disk of "
                "this machine does; take a folder on ext4, xfs, btrfs or zfs, or set [storage] "
                "any_file_system = true"
            )
    return [sentence for sentence in told.values() if sentence]


def _require_one(data: Path, found: dict[Path, Mount]) -> None:
    """Raise FolderError unless files can be renamed between folders (rename(2), EXDEV)."""
    if len({(mount, one.stat().st_dev) for one, mount in found.items()}) > 1:
        named = ", ".join(f"{one.name}/ on {mount}" for one, mount in found.items())
        raise FolderError(
            f"{data}: files are renamed between its folders, which are on several file systems: "
            f"{named}; mount one for all of {data}"
        )


def mount_of(path: Path) -> Mount:
    """The mount that holds a path, or will hold it once it is made."""
    try:
        real = path.resolve()
        mounts = parsed(os.fsdecode(_MOUNTS.read_bytes()))
    except (OSError, RuntimeError):  # not told; or symbolic links that lead to themselves
        return _UNTOLD
    return holding(real, mounts) or _UNTOLD


def holding(real: Path, mounts: list[Mount]) -> Mount | None:
    """The mount that holds a path without symbolic links, found as the kernel goes: from the root.

    The first on the way hides what was mounted below it before; of two on one point the later one
    is the child of the other.
    """
    numbers = {mount.number for mount in mounts}
    # In a namespace of its own the parent of the root is not told.
    ahead = [one for one in mounts if one.parent not in numbers or one.parent == one.number]
    found: Mount | None = None
    while ahead := [mount for mount in ahead if real.is_relative_to(mount.point)]:
        first = min(len(mount.point.parts) for mount in ahead)
        found = [mount for mount in ahead if len(mount.point.parts) == first][-1]
        ahead = [one for one in mounts if one.parent == found.number != one.number]
    return found


def parsed(text: str) -> list[Mount]:
    """The lines of proc(5), mountinfo."""
    found = []
    for line in text.split("\n"):
        # Fields that a kernel may add come before the dash.
        before, _, after = line.partition(" - ")
        fields, own = before.split(" "), after.split(" ")
        with suppress(IndexError, ValueError):
            options = frozenset(own[2].split(","))
            point = Path(_unescaped(fields[4]))
            found.append(Mount(int(fields[0]), int(fields[1]), point, own[0], options))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
