"""Between a program and its engine: what is said takes a while to come there, as over a network."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CHUNK = 1 << 18


class DelayingProxy:
    """Passes connections on to a port of 127.0.0.1; each way takes so many seconds.

    `port` leads there; `turns` counts how often a client said something after it was answered.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self.port = self.turns = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=128)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    def close(self) -> None:
        """End it, and the connections that are open."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        connection = _Connection(self)
        try:
            await asyncio.gather(
                self._pass_on(reader, back, connection.ask),
                self._pass_on(there, writer, connection.answer),
            )
        except (OSError, asyncio.CancelledError):  # cut off, or all is over
            pass
        finally:
            writer.close()
            back.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, note: Callable[[bytes], None]
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                said, data = await under_way.get()
                await asyncio.sleep(said + self._seconds - self._loop.time())
                if not data:
                    to.close()
                    return
                to.write(data)

        arriving = asyncio.create_task(arrive())
        try:
            data = b"-"
            while data:
                data = await reader.read(_CHUNK)
                note(data)
                under_way.put_nowait((self._loop.time(), data))
            await arriving
        finally:
            arriving.cancel()


class _Connection:
    """One, whose turns are counted."""

    def __init__(self, proxy: DelayingProxy) -> None:
        self._proxy, self._is_answered = proxy, True

    def ask(self, data: bytes) -> None:
        if data and self._is_answered:
            self._is_answered = False
            self._proxy.turns += 1

    def answer(self, data: bytes) -> None:
        self._is_answered = True


@contextmanager
def delaying(port: int, seconds: float) -> Iterator[DelayingProxy]:
    """One for the time of the block."""
    proxy = DelayingProxy(port, seconds)
    try:
        yield proxy
    finally:
        proxy.close()
