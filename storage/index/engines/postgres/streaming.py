"""Rows as they are asked for, of statements that the server has planned before."""

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg._preparing import Prepare
from psycopg.generators import execute, send
from psycopg.waiting import Ready, Wait


class StreamCursor(psycopg.RawCursor[tuple[Any, ...]]):
    """A cursor whose `stream` prepares what it is asked often, as `execute` does.

    Half of a look-up by a key, and more, is its planning. psycopg has no way to say so, hence its
    own parts, of a version that pyproject.toml bounds.
    """

    def _stream_send_gen(
        self, query: Any, params: Any = None, *, binary: bool | None = None, size: int
    ) -> Generator[Wait, Ready | int, None]:
        yield from self._start_query(query)
        asked = self._convert_query(query, params)
        whether, name = self._get_prepared(asked)
        if whether is Prepare.NO:
            self._execute_send(asked, binary=binary, force_extended=True)
        else:
            if whether is Prepare.SHOULD:
                self._send_prepare(name, asked)
                self._check_results((yield from execute(self._pgconn)))
            self._send_query_prepared(name, asked, binary=binary)
        known = self._conn._prepared
        known.maybe_add_to_cache(asked, whether, name)
        known._rotate()
        self._pgconn.set_chunked_rows_mode(size)
        self._last_query = query
        yield from send(self._pgconn)
