"""Clients of other projects, installed for the tests that run them, and for nothing else.

Where one is not to be had its tests are skipped, and say how to get it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.names import CLIENT_SECONDS

Command = Sequence[str | Path]

# Downloads, which nobody can wait for by an event.
_INSTALL_SECONDS = 600
_NPM = "install Node.js 18 or newer with npm (on Debian and Ubuntu: apt-get install npm)"
_SYSTEM = ("/usr/sbin", "/usr/local/sbin")  # not on everybody's PATH, and programs lie there


def program(name: str, how: str) -> str:
    """The path of a program; the test is skipped where there is none, and tells how to get it."""
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *_SYSTEM]))
    if path is None:
        pytest.skip(f"{name} is not installed: {how}")
    return path


def python_with(folder: Path, *requirements: str) -> Path:
    """The Python of a virtual environment that holds these."""
    _install(
        [sys.executable, "-m", "venv", folder],
        "no virtual environment can be made: on Debian and Ubuntu, apt-get install python3-venv",
    )
    python = folder / "bin" / "python"
    quietly = ("--quiet", "--no-input", "--disable-pip-version-check")
    _install(
        [python, "-m", "pip", "install", *quietly, *requirements],
        f"pip cannot install {' '.join(requirements)}: let it reach an index that has it",
    )
    return python


def node_with(folder: Path, *packages: str) -> dict[str, str]:
    """The environment in which Node.js finds these packages."""
    program("node", _NPM)
    npm = program("npm", _NPM)
    folder.mkdir()
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
    _install(
        [npm, "install", "--prefix", folder, *quietly, *packages],
        f"npm cannot install {' '.join(packages)}: let it reach a registry that has it",
    )
    return {**os.environ, "NODE_PATH": str(folder / "node_modules")}


def output(command: Command, env: dict[str, str] | None = None) -> str:
    """What a client printed that ended well."""
    done = subprocess.run(
        [*map(str, command)],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def _install(command: Command, words: str) -> None:
    """Run what installs; the test is skipped with these words where that fails."""
    try:
        done = subprocess.run(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{words} (it has not ended in {_INSTALL_SECONDS} seconds)")
    if done.returncode:
        lines = [*done.stderr.split("\n"), *done.stdout.split("\n")]
        said = next((line for line in lines if "error" in line.lower()), "")
        pytest.skip(f"{words} ({said.strip()})")
