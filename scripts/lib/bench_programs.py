"""The programs of others that take part: where they are."""

import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_DCMTKS_OWN = b"$dcmtk:"


class MissingError(Exception):
    """A program that is needed is not installed; says which."""


@cache
def dcmtk(name: str) -> str:
    """The path of one of DCMTK's programs; pynetdicom installs scripts of the same names."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found and _DCMTKS_OWN in _version(found):
            return found
    raise MissingError(f"{name} of DCMTK is not on PATH")


def orthanc() -> str:
    """The path of Orthanc, which is not on every user's PATH."""
    found = shutil.which("Orthanc") or shutil.which("/usr/sbin/Orthanc")
    if not found:
        raise MissingError("Orthanc is not on PATH")
    return found


def check_qrscp() -> None:
    """Raise MissingError unless pynetdicom's qrscp can run."""
    if not find_spec("sqlalchemy"):
        raise MissingError("it needs sqlalchemy (pip install 'pynetdicom[apps]')")


def load() -> str:
    """The load of the machine, of the last minute, and how many processors it has."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()}"


def dd(path: Path, mebibytes: int) -> None:
    """Write a file of zeros, synced at its end. Raises OSError, CalledProcessError."""
    command = ["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={mebibytes}", "conv=fsync"]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


def environment(no_delay: bool = True) -> dict[str, str]:
    """For a program: DCMTK's take TCP_NODELAY from there, and leave Nagle's algorithm on else."""
    variables = {name: text for name, text in os.environ.items() if name != "TCP_NODELAY"}
    return variables | {"TCP_NODELAY": "1"} if no_delay else variables


def _version(program: str) -> bytes:
    try:
        command = [program, "--version"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return b""
    return done.stdout
