"""scripts/get-viewer: what it refuses, and what it leaves as it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT

SCRIPT = ROOT / "scripts" / "get-viewer"
VERSION = SCRIPT.read_text().partition(" version=")[2].split()[0]
# An npm that fetches something else.
NPM = "#!/bin/sh\necho other > ohif-app.tgz\n"


def get_viewer(folder: Path, npm: str = "") -> "subprocess.CompletedProcess[str]":
    """Run it with an npm that is this script, or with none."""
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name in os.listdir("/usr/bin"):
        if name != "npm" and not (programs / name).is_symlink():
            (programs / name).symlink_to(f"/usr/bin/{name}")
    if npm:
        (programs / "npm").write_text(npm)
        (programs / "npm").chmod(0o755)
    bash = shutil.which("bash")
    assert bash
    return subprocess.run(
        [bash, SCRIPT, folder], env={"PATH": str(programs)}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def test_without_npm_it_says_what_to_install(tmp_path: Path) -> None:
    done = get_viewer(tmp_path / "viewer")
    assert done.returncode == 2
    assert "npm, which fetches @ohif/app, is not installed" in done.stderr
    assert "apt-get install npm" in done.stderr


@pytest.mark.parametrize(("npm", "words"), [
    (NPM, f"what npm fetched is not @ohif/app {VERSION} as it was published"),
    ("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n", "npm could not fetch @ohif/app"),
])  # fmt: skip
def test_nothing_is_left_of_what_is_not_the_viewer(tmp_path: Path, npm: str, words: str) -> None:
    folder = tmp_path / "held" / "viewer"
    folder.parent.mkdir()
    done = get_viewer(folder, npm)
    assert done.returncode == 2
    assert words in done.stderr
    assert [path.name for path in folder.parent.iterdir() if path.name != "bin"] == []


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "viewer"
    folder.mkdir()
    (folder / "mine").touch()
    done = get_viewer(folder, NPM)
    assert done.returncode == 2
    assert f"{folder}: is there, and is no viewer that this script made" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_viewer_that_is_there_is_only_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "a viewer"
    folder.mkdir()
    (folder / ".minipacs").write_text(f"{VERSION}\n")
    done = get_viewer(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"viewer = {json.dumps(str(folder))}" in done.stdout
