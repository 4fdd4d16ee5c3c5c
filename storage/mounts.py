"""What kind of file system a folder lies on, as Linux tells it."""

import re
from pathlib import Path

# SQLite in WAL mode shares memory between its users, which must be on one machine, and relies
# on locks that these do not keep (https://www.sqlite.org/wal.html, "Disadvantages").
_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d?|smbfs|smb3|ncpfs|afs|ceph|lustre|gpfs|beegfs|"
    r"fuse\.(sshfs|glusterfs|ceph|s3fs|rclone|gcsfuse|goofys|davfs2?|beegfs.*)|davfs"
)
MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(folder: Path, mounts: Path | None = None) -> str:
    """The kind of the network file system that `folder` lies on; empty on any other.

    Empty too where the system does not tell. `mounts` is of the form of
    proc(5), mountinfo.
    """
    try:
        lines = (mounts or MOUNTS).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    real = folder.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split()[4]))
        # A later mount on the same point hides the earlier one.
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind if _NETWORK.fullmatch(kind) else ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)
