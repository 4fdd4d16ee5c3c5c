"""Records of the node's log: what a line tells is what `logging` would have made of it."""

import io
import logging
import sys
from typing import Any

import pytest

from scp.runtime.log import JsonLines, TextFormatter, _Lines, _Record
from storage.diagnostics import Event

_CALLS: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    ("plain, 100 %", ()),
    ("%s of %d", ("one", 2)),
    ("%(name)s by name", ({"name": "one"},)),
    ("no name in %s", ({},)),
    (Event("stored", peer="CT1", bytes=10, seconds=0.25), ()),
    (Event("refused", "it says a=b\nand more", peer="A B"), ()),
)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonLines()], ids=["text", "json"])
@pytest.mark.parametrize(("message", "arguments"), _CALLS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("with_error", [False, True], ids=["", "with an error"])
def test_a_line_is_what_a_record_of_logging_makes(
    formatter: logging.Formatter, message: Any, arguments: tuple[Any, ...], with_error: bool
) -> None:
    lines = []
    for kind in (logging.LogRecord, _Record):
        record = kind("scp.one", logging.WARNING, "", 0, message, arguments, _error(with_error))
        record.created, record.msecs = 1_700_000_000.25, 250.0
        lines.append(formatter.format(record))
    assert lines[0] == lines[1]


def test_a_line_goes_out_by_one_write() -> None:
    writes: list[str] = []
    stream = io.StringIO()
    stream.write = writes.append  # type: ignore[assignment]
    handler = _Lines(stream)
    handler.setFormatter(TextFormatter())
    handler.handle(_Record("scp.one", logging.INFO, "", 0, "said", (), None))
    assert len(writes) == 1
    assert writes[0].endswith("INFO    said\n")


def test_what_cannot_be_written_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    stream.close()
    _Lines(stream).handle(_Record("scp.one", logging.INFO, "", 0, "said", (), None))
    assert "I/O operation on closed file" in capsys.readouterr().err


def _error(is_one: bool) -> Any:
    if not is_one:
        return None
    try:
        raise ValueError("gone")
    except ValueError:
        return sys.exc_info()
