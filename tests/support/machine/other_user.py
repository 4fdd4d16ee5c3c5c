"""Users of the tests' own, whose folders and processes are made where the tests run as root."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from support.names import ROOT

# No account has them.
OWNER, STRANGER = 64321, 64322


@cache
def why_not() -> str:
    """Why no process can be run here as another user; empty where one can."""
    if os.geteuid():
        return "only root can be another user"
    if not shutil.which("setpriv"):
        return "setpriv is not there"
    return "" if _readable() else "no Python here that another user can run"


def python_as(user: int, group: int = 0) -> list[str]:
    """What runs Python with the project and all that it needs as another user."""
    return [*_as(user, group or user), _readable()]


@cache
def _readable() -> str:
    """A Python of this version that any user can run: this one may lie in root's home."""
    for python in (sys.executable, "/usr/bin/python3"):
        code = f"import sys, scp.cli.app; assert sys.version_info[:2] == {sys.version_info[:2]}"
        done = subprocess.run(
            [*_as(OWNER, OWNER), python, "-c", code], capture_output=True, check=False
        )
        if done.returncode == 0:
            return python
    return ""


def _as(user: int, group: int) -> list[str]:
    packages = [one for one in sys.path if one.endswith("site-packages")]
    path = os.pathsep.join(map(str, (ROOT, *packages)))
    return [
        "env", "-u", "LOGNAME", "-u", "USER", f"PYTHONPATH={path}", "PYTHONDONTWRITEBYTECODE=1",
        "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
    ]  # fmt: skip


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach: pytest's are for who runs it."""
    folder = Path(tempfile.mkdtemp(prefix="minipacs-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


def give(path: Path, user: int) -> None:
    """Have a path, and all below it, be a user's."""
    for one in (path, *path.rglob("*")):
        os.chown(one, user, user, follow_symlinks=False)
