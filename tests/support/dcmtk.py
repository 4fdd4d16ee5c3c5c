"""DCMTK's clients."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from support.names import CLIENT_SECONDS
from support.node import RunningNode

# ---- clients


def dcmtk(command: str) -> str:
    """The path of a DCMTK client; pynetdicom installs scripts of the same names into a venv."""
    own = Path(sys.executable).parent
    folders = [name for name in os.environ["PATH"].split(os.pathsep) if Path(name) != own]
    found = shutil.which(command, path=os.pathsep.join(folders))
    assert found, f"{command} is not on PATH: install DCMTK"
    return found


@dataclass(frozen=True)
class Address:
    """Whom a client calls, where it is not the node."""

    title: str
    port: int


def client(
    command: str,
    node: RunningNode | Address,
    options: Iterable[str | Path] = (),
    files: Iterable[str | Path] = (),
    *,
    called: str = "",
    code: int = 0,
    cwd: Path | None = None,
) -> str:
    """Run one of DCMTK's clients against a node; what it printed. `code` is its exit code."""
    done = subprocess.run(
        [
            dcmtk(command), "-v", "-aec", called or node.title, *map(str, options),
            "127.0.0.1", str(node.port), *map(str, files),
        ],
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CLIENT_SECONDS,
        check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{output}"
    return output


def keys(**values: str) -> list[str]:
    """Matching keys as options of DCMTK's."""
    return [part for key, value in values.items() for part in ("-k", f"{key}={value}")]
