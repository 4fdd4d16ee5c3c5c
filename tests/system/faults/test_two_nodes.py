"""One folder, two nodes: however they reach it, one of them is refused."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import CLIENT_SECONDS, ECHO, IMPLICIT, ROOT, RunningNode, running_node, toml
from support.machine.mounts import can_mount
from support.program import said

from storage.diagnostics.errors import InUseError
from storage.files.locks import claim_folder, claims, is_free

WAYS = ("itself", "link", "bind", "overlay", "tmpfs")


@contextmanager
def reached(folder: Path, way: str) -> Iterator[tuple[Path, Path]]:
    """Two paths to one new folder."""
    data = folder / "data"
    data.mkdir()
    mounted = folder / "mounted"
    mounted.mkdir()
    (folder / "link").symlink_to(data)
    layers = [folder / name for name in ("lower", "upper", "work")]
    for one in layers:
        one.mkdir()
    lower, upper, work = layers
    command = {
        "bind": ["mount", "--bind", data, mounted],
        "overlay": [
            "mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={lower},upperdir={upper},workdir={work}", mounted,
        ],
        "tmpfs": ["mount", "-t", "tmpfs", "tmpfs", mounted],
    }.get(way)  # fmt: skip
    if command is None:
        yield data, folder / "link" if way == "link" else data
        return
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot be mounted here: {done.stderr.strip()}")
    try:
        yield data if way == "bind" else mounted, mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


@contextmanager
def claimed_by_another(data: Path) -> Iterator[int]:
    """A process that has claimed a folder; its id."""
    code = "import sys; from pathlib import Path; from storage.files.locks import claim_folder\n"
    code += "held = claim_folder(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        try:
            yield other.pid
        finally:
            other.kill()


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_is_claimed_by_one_however_it_is_reached(tmp_path: Path, way: str) -> None:
    if way in ("bind", "overlay", "tmpfs") and not can_mount():
        pytest.skip("nothing can be mounted here")
    with reached(tmp_path, way) as (first, second):
        with claimed_by_another(first):
            with pytest.raises(InUseError, match="in use by another minipacs"):
                claim_folder(second)
            assert not is_free(second)
        # The other was killed.
        assert is_free(second)


def test_where_folders_cannot_be_locked_the_file_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on CephFS, where a lock on a folder is had by everybody, or on NFS, by nobody."""
    real = claims.claim

    def on_files(descriptor: int) -> bool:
        if not os.path.isfile(f"/proc/self/fd/{descriptor}"):
            raise OSError
        return real(descriptor)

    monkeypatch.setattr(claims, "claim", on_files)
    with claimed_by_another(tmp_path):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)
    monkeypatch.setattr(claims, "claim", lambda held: not os.path.isfile(f"/proc/self/fd/{held}"))
    assert not is_free(tmp_path)


def test_a_node_of_a_version_before_is_kept_out_and_keeps_out(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not is_free(tmp_path)
    fcntl.flock(folder, fcntl.LOCK_UN)
    with claimed_by_another(tmp_path), pytest.raises(BlockingIOError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)


def test_of_two_started_at_the_same_moment_one_serves(tmp_path: Path) -> None:
    """Once more, over a symbolic link, after the one that served was killed."""
    data = tmp_path / "data"
    (tmp_path / "link").symlink_to(data)
    configs = []
    for name, path in (("one", data), ("other", tmp_path / "link")):
        data.mkdir(exist_ok=True)
        (tmp_path / name).mkdir()
        configs.append(tmp_path / name / "config.toml")
        tables = {"node": {"port": 0, "workers": 1}, "storage": {"path": str(path)}}
        configs[-1].write_text(toml({**tables, "limits": {"free_bytes": 0}}))
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "scp", "serve", "-c", str(config)],
                    cwd=ROOT,
                    text=True,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            )
            for config in configs
        ]
        for one in both:
            stack.callback(one.kill)
        first_lines = [next(said(one.stderr), "") for one in both if one.stderr]
        refused = [number for number, line in enumerate(first_lines) if "in use by another" in line]
        assert len(refused) == 1, first_lines
        assert both[refused[0]].wait(CLIENT_SECONDS) == 2
        both[1 - refused[0]].kill()
        both[1 - refused[0]].wait(CLIENT_SECONDS)
    with running_node(tmp_path / "third", {"storage": {"path": str(tmp_path / "link")}}) as node:
        assert isinstance(node, RunningNode)
        with node.association((ECHO, IMPLICIT)) as association:
            assert association.send_c_echo().Status == 0x0000
