"""A node that a program is tested against: the real one, with faults in front of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scp.testing.faults import ASSOCIATION, Faults, Injected
from scp.testing.process import NodeProcess, Tables
from scp.testing.proxy import Proxy
from storage import ArchiveReader, open_archive


class Node(NodeProcess):
    """A node and where it is reached: `host`, `port` and `title`, its AE title.

    `data` is its data folder, `config` its configuration, `log` its lines so far. It is stopped,
    killed and started again by the methods of these names, and keeps its port.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, tables: Tables | None = None) -> None:
        super().__init__(folder, tables)
        self._faults = Faults()
        self._proxy = Proxy(self.host, self._faults)
        self._is_plain = "tls" not in (tables or {})

    def _listens_at(self, port: int) -> None:
        self._proxy.target = port
        self.port = self._proxy.port if self._is_plain else port

    def inject(
        self, fault: str, on: str = ASSOCIATION, *, after: int = 0, times: int | None = None
    ) -> Injected:
        """Have something go wrong: `inject("busy", "C-STORE", after=3, times=1)`.

        `fault` is refuse, busy, stall or abort; `on` is association, or the service of a request,
        also of one that the node makes, as the C-STORE of a C-GET. It happens behind the first
        `after` of these, and so many `times`, or until it is cleared. Raises ValueError.
        """
        if not self._is_plain:
            raise ValueError("[tls]: what is encrypted can be let through, not changed")
        return self._faults.inject(fault, on, after, times)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more; what is stalled goes on."""
        self._faults.clear()

    @property
    def archive(self) -> ArchiveReader:
        """What it holds, to be looked through."""
        return open_archive(self.data)

    def close(self) -> None:
        """End it, however it is, and whoever is connected to it."""
        self._proxy.close()
        if self.is_running:
            self.kill()


@contextmanager
def running(folder: Path, tables: Tables | None = None) -> Iterator[Node]:
    """A node for as long as the block; it ends by itself, with exit code 0."""
    folder.mkdir(parents=True, exist_ok=True)
    node = Node(folder, tables)
    try:
        node.start()
        yield node
        node.clear_faults()
        if node.is_running and (code := node.stop()):
            raise AssertionError(f"exit code {code}:\n" + "\n".join(node.log[-50:]))
    finally:
        node.close()
