"""A printed conformance statement, read as its readers do: by sections and tables."""

import re
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from support.program import run

_HEADING = re.compile(r"(#+) ([0-9.]+) (.+)")
_CELL = re.compile(r"(?<!\\)\|")
Row = dict[str, str]


@dataclass
class Printed:
    """Paragraphs and tables by the title of their section."""

    numbers: dict[str, str]
    paragraphs: dict[str, list[str]]
    tables: dict[str, list[list[Row]]]

    def rows(self, title: str, number: int = 0) -> list[Row]:
        """The rows of a section's table, by heading."""
        return self.tables[title][number]

    def words(self, title: str) -> str:
        """The paragraphs of a section."""
        return " ".join(self.paragraphs[title])


def conformance(config: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """`minipacs conformance` as a user calls it."""
    return run("conformance", "-c", config, *options)


def read(text: str) -> Printed:
    """A statement printed as Markdown."""
    found = Printed({}, {}, {})
    title, lines = "", list[str]()
    for line in [*text.splitlines(), ""]:
        heading = _HEADING.fullmatch(line)
        if heading:
            number, title = heading[2], heading[3]
            assert title not in found.numbers, f"two sections are called {title}"
            found.numbers[title] = number
            found.paragraphs[title], found.tables[title] = [], []
        elif line.startswith("|"):
            lines.append(line)
        elif lines:
            found.tables[title].append(_rows(lines))
            lines = []
        elif line and title:
            found.paragraphs[title].append(line)
    return found


def _rows(lines: list[str]) -> list[Row]:
    cells = [
        [cell.strip().replace(r"\|", "|") for cell in _CELL.split(line)[1:-1]] for line in lines
    ]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


class Page(HTMLParser):
    """A statement printed as HTML: its headings, the texts of its table cells, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], "not every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.cells[-1] += data
        elif self._open and re.fullmatch("h[1-6]", self._open[-1]):
            self.headings[-1] += data
