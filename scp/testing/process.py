"""`minipacs serve` as a process with a folder of its own, and its log."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import tomlkit

# How long a node may take to start, to end, or to say what is waited for.
SECONDS = 60.0

Tables = Mapping[str, Any]

_LISTENING = re.compile(r"listening on (\S+):(\d+)$")
_END = "<end of log>"
_PACKAGES = Path(__file__).parents[2]


class Process(Protocol):
    """What is asked of the process: as of one that `subprocess` has started."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""

    def wait(self, timeout: float) -> int:
        """Wait for its end; returns the exit code."""

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""


class _Written:
    """What a process writes to a pipe, line by line, until all that may write to it have ended."""

    def __init__(self, pipe: int | None = None) -> None:
        self.lines: list[str] = []
        self._pipe = pipe
        self._rest = b""  # of a line that has not come to its end
        self._changed = threading.Condition()

    def read(self) -> None:
        """Take what comes, until the end."""
        pipe = self._pipe
        assert pipe is not None
        comes = select.poll()
        comes.register(pipe, select.POLLIN)
        while self._pipe is not None:
            comes.poll()
            self.until_now()
        os.close(pipe)

    def until_now(self) -> list[str]:
        """All lines that were written until now."""
        with self._changed:
            while self._pipe is not None and self._comes():
                data = os.read(self._pipe, 1 << 16)
                *lines, self._rest = (self._rest + data).split(b"\n")
                self.lines += [line.decode() for line in lines]
                if not data:
                    self.lines += [self._rest.decode()] * bool(self._rest) + [_END]
                    self._pipe = None
                self._changed.notify_all()
            return self.lines

    def _comes(self) -> bool:
        comes = select.poll()  # not select(2), which takes no descriptor above 1,023
        comes.register(self._pipe or 0, select.POLLIN)
        return bool(comes.poll(0))

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, or for so long."""
        with self._changed:
            self._changed.wait_for(holds, seconds)


class NodeProcess:
    """The node in a process group of its own. What is waited for in vain is an AssertionError."""

    process: Process

    def __init__(self, folder: Path, tables: Tables | None = None) -> None:
        tables = tables or {}
        self.folder = folder
        self.data = folder / tables.get("storage", {}).get("path", "data")
        self.config = folder / "config.toml"
        self.title = tables.get("node", {}).get("ae_title", "MINIPACS")
        self.port = 0
        self._reader: threading.Thread | None = None
        self._written = _Written()
        self.configure(tables)

    def configure(self, tables: Tables) -> None:
        """Write the configuration, for the next start or to be read again."""
        # The disk of a test machine may be nearly full.
        settings = {
            **tables,
            "node": {"port": 0, "workers": 1, **tables.get("node", {})},
            "limits": {"free_bytes": 0, **tables.get("limits", {})},
        }
        self.config.write_text(tomlkit.dumps(settings), encoding="utf-8")

    def reload(self, answer: str = "configuration reloaded") -> None:
        """Have it read its configuration again, and wait for what it says to that."""
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for_log(answer, after=mark)

    def start(self) -> Self:
        """Start it, once more too, and wait for the line that says where it listens."""
        self._finish_reading()  # else it would tell of the end of the one before
        ours, theirs = os.pipe()
        self._written = _Written(ours)
        self.process = self._process(theirs)
        os.close(theirs)
        self._reader = threading.Thread(target=self._written.read, daemon=True)
        self._reader.start()
        match = _LISTENING.search(self.wait_for_log("listening on"))
        assert match
        self._listens_at(int(match[2]))
        return self

    def _listens_at(self, port: int) -> None:
        self.port = port

    def _process(self, log: int) -> Process:
        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-m", "scp", "serve", "-c", str(self.config)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )

    @property
    def log(self) -> list[str]:
        """The lines that it has written since it was started, as far as they were read."""
        return self._written.lines

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return hasattr(self, "process") and self.process.poll() is None

    def mark(self) -> int:
        """A place in the log: behind all that was written until now."""
        return len(self._written.until_now())

    def logged(self, *words: str, after: int = 0) -> list[str]:
        """The lines that hold all of `words`, of all that were written until now."""
        lines = self._written.until_now()[after:]
        return [line for line in lines if all(word in line for word in words)]

    def wait_for_log(
        self, *words: str, count: int = 1, after: int = 0, seconds: float = SECONDS
    ) -> str:
        """The `count`-th line after the mark that holds all of `words`, once it is there."""
        self._written.wait_for(
            lambda: len(self.logged(*words, after=after)) >= count or _END in self.log, seconds
        )
        lines = self.logged(*words, after=after)
        if len(lines) < count:
            raise AssertionError(f"no {words!r} in the log:\n" + "\n".join(self.log[-50:]))
        return lines[count - 1]

    def kill(self) -> None:
        """kill -9 of the supervisor and every worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(SECONDS)
        self._finish_reading()
        return code

    def _finish_reading(self) -> None:
        if self._reader:
            self._reader.join(SECONDS)
