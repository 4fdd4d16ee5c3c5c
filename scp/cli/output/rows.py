"""Rows of names and values, printed as they come: for a person, or for a machine."""

import csv
import io
import shutil
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

from scp.cli.output.printing import say, say_raw
from storage.diagnostics import escaped, json_text

Row = dict[str, object]
# Of a table: so many rows tell how wide its columns are to be.
_MEASURED_ROWS = 200
_GAP = "  "
_LEAST_WIDTH = 6


class Form(ABC):
    """A way to print rows; what is printed at the end comes with the end of the block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @abstractmethod
    def add(self, row: Row) -> None:
        """Print the next row."""

    @abstractmethod
    def end(self) -> None:
        """Print what comes behind the last."""


class Lines(Form):
    """The one value of each row, a line each."""

    def add(self, row: Row) -> None:
        """Print it."""
        for value in row.values():
            say(str(value))

    def end(self) -> None:
        """Print nothing more."""


class Csv(Form):
    """Comma-separated values in UTF-8, as RFC 4180 has them, with names in the first line."""

    def __init__(self) -> None:
        self._is_first = True

    def add(self, row: Row) -> None:
        """Print it."""
        if self._is_first:
            self._print(list(row))
            self._is_first = False
        self._print(
            [value if isinstance(value, str) else json_text(value) for value in row.values()]
        )

    def _print(self, values: list[str]) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow([escaped(value) for value in values])
        say_raw(out.getvalue())

    def end(self) -> None:
        """Print nothing more."""


class Json(Form):
    """One document: a list of objects."""

    def __init__(self) -> None:
        self._front = "["

    def add(self, row: Row) -> None:
        """Print it."""
        say_raw(f"{self._front}\n  {json_text(row)}", end="")
        self._front = ","

    def end(self) -> None:
        """Print the end of the list."""
        say_raw("[]" if self._front == "[" else "\n]")


class Columns(Form):
    """A table: on a terminal as wide as that is, else with all of each value.

    What is too long for its column there is cut; or the column `folded`, counted from 0, alone
    gives way, and goes on in further lines.
    """

    def __init__(self, folded: int | None = None, has_titles: bool = True) -> None:
        self._held: list[list[str]] = []
        self._widths: list[int] | None = None
        self._folded = folded
        self._cuts = False
        self._has_titles = has_titles

    def add(self, row: Row) -> None:
        """Print it, or keep it until it is known how wide the columns are."""
        if self._has_titles and not self._held and self._widths is None:
            self._held.append([_title(name) for name in row])
        texts = [escaped(value if isinstance(value, str) else json_text(value))
                 for value in row.values()]  # fmt: skip
        if self._widths is not None:
            self._print(texts)
            return
        self._held.append(texts)
        if len(self._held) > _MEASURED_ROWS:
            self._begin()

    def end(self) -> None:
        """Print what was kept."""
        if self._widths is None and self._held:
            self._begin()

    def _begin(self) -> None:
        widths = [max(map(_cells, column)) for column in zip(*self._held, strict=True)]
        self._cuts = self._folded is None and sys.stdout.isatty()
        if sys.stdout.isatty():
            giving_way = range(len(widths)) if self._folded is None else [self._folded]
            _narrow(widths, shutil.get_terminal_size().columns, giving_way)
        self._widths = widths
        for row in self._held:
            self._print(row)
        self._held.clear()

    def _print(self, texts: list[str]) -> None:
        assert self._widths is not None
        for line in self._lines(texts):
            fit = _fitted if self._cuts else _padded
            cells = [fit(text, width) for text, width in zip(line, self._widths, strict=True)]
            say(_GAP.join(cells).rstrip())

    def _lines(self, texts: list[str]) -> Iterator[list[str]]:
        assert self._widths is not None
        at = self._folded
        if at is None:
            yield texts
            return
        for text in _folded(texts[at], self._widths[at]):
            yield [*texts[:at], text, *texts[at + 1 :]]
            texts = [""] * len(texts)


# Keywords whose columns have a shorter title.
_TITLES = {
    "ModalitiesInStudy": "Modalities", "NumberOfPatientRelatedStudies": "Studies",
    "NumberOfPatientRelatedInstances": "Instances", "NumberOfStudyRelatedSeries": "Series",
    "NumberOfStudyRelatedInstances": "Instances", "NumberOfSeriesRelatedInstances": "Instances",
    "NumberOfPatientRelatedSeries": "Series", "PatientBirthDate": "BirthDate",
    "PatientSex": "Sex", "AccessionNumber": "Accession", "StudyDescription": "Description",
    "SeriesDescription": "Description", "SeriesNumber": "Series", "InstanceNumber": "Instance",
}  # fmt: skip


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _narrow(widths: list[int], room: int, columns: Sequence[int]) -> None:
    """Take from the widest of the columns until all fit."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > room:
        widest = max(columns, key=widths.__getitem__)
        if widths[widest] <= _LEAST_WIDTH:
            return
        widths[widest] -= 1


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _folded(text: str, width: int) -> list[str]:
    """A text in the lines of a column, each no longer than that is wide."""
    if _cells(text) <= width:
        return [text]
    # Of letters that are twice as wide fewer go in.
    width = width if text.isascii() else width // 2
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _fitted(text: str, width: int) -> str:
    """A text in a column: what does not fit is cut, and said to be."""
    if _cells(text) > width:
        from rich.cells import set_cell_size

        return set_cell_size(text, width - 1) + "…"
    return _padded(text, width)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))
