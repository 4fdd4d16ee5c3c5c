"""CSV files that a person gives, as spreadsheets write them."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from scp.cli.options.options import failure

_DELIMITERS = ",;\t"


def text_of(name: str, flag: str) -> str:
    """A file, or standard input where its name is -; else the command ends."""
    try:
        if name == "-":
            return sys.stdin.read()
        # As spreadsheets write it, with a mark of its byte order.
        return Path(name).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise failure(f"{flag} {name}: {getattr(error, 'strerror', '') or error}") from None


def header_of(text: str) -> list[str]:
    """The columns that the first line names."""
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(first), delimiter=_delimiter(text))
    return [one.strip() for one in next(rows, [])]


def rows_of(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line behind the first, and its values by column."""
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    header = [one.strip() for one in next(rows, [])]
    for row in rows:
        if row:
            yield rows.line_num, dict(zip(header, map(str.strip, row), strict=False))


def _delimiter(text: str) -> str:
    return max(_DELIMITERS, key=text.partition("\n")[0].count)
