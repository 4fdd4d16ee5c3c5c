"""What answers are made of: bodies read as they are sent, and words for what went wrong."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import BinaryIO

from werkzeug.http import is_resource_modified, quote_etag
from werkzeug.wrappers import Request, Response

from scp.web.media import FileRange

_PIECE_BYTES = 1 << 16


def body_of_file(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Bytes of a file, which is closed behind them. Raises as `FileRange.chunks`."""
    with file:
        yield from FileRange(file, start, length).chunks()


def in_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, many small chunks together."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def error_answer(code: int, words: str) -> Response:
    """An answer that says what was wrong, in JSON."""
    body = json.dumps({"status": code, "error": HTTPStatus(code).phrase, "message": words})
    return Response(f"{body}\n", code, content_type="application/json")


def not_modified(request: Request, tag: str) -> Response | None:
    """The answer that who asks has what is told by an entity tag; None where that is not so."""
    if is_resource_modified(request.environ, etag=quote_etag(tag)):
        return None
    answer = Response(status=304)
    answer.set_etag(tag)
    return answer
