"""A document of sections, paragraphs and tables; as Markdown and as HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { border: 1px solid #999; padding: .2em .6em; text-align: left; vertical-align: top; }
th { background: #eee; }
"""


@dataclass(frozen=True)
class Table:
    """Rows of texts under their headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading, its depth from 1 on, and what stands below it."""

    depth: int
    title: str
    parts: tuple["str | Table", ...] = ()


@dataclass(frozen=True)
class Document:
    """A title and the sections, numbered as they come."""

    title: str
    sections: tuple[Section, ...]

    def numbered(self) -> Iterable[tuple[str, Section]]:
        """The sections, each with its number."""
        counts: list[int] = []
        for section in self.sections:
            counts = [*counts, *[0] * section.depth][: section.depth]
            counts[-1] += 1
            yield ".".join(map(str, counts)), section


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of whatever can be a text."""
    return Table(tuple(headings), tuple(tuple(str(cell) for cell in row) for row in rows))


def as_markdown(document: Document) -> str:
    """As Markdown, with tables of GitHub's kind."""
    lines = [f"# {document.title}", ""]
    for number, section in document.numbered():
        lines += [f"{'#' * (section.depth + 1)} {number} {section.title}", ""]
        for part in section.parts:
            lines += [*_markdown(part), ""]
    return "\n".join(lines)


def as_html(document: Document) -> str:
    """As one HTML page that needs nothing else."""
    title = escape(document.title)
    lines = [
        "<!DOCTYPE html>", '<html lang="en">', '<head><meta charset="utf-8">',
        f"<title>{title}</title>", f"<style>{_STYLE}</style></head>", "<body>", f"<h1>{title}</h1>",
    ]  # fmt: skip
    for number, section in document.numbered():
        level = min(section.depth + 1, 6)
        lines.append(f"<h{level}>{number} {escape(section.title)}</h{level}>")
        for part in section.parts:
            lines += _html(part)
    return "\n".join([*lines, "</body>", "</html>"])


def _markdown(part: "str | Table") -> list[str]:
    if isinstance(part, str):
        return [part]
    rows = [part.headings, ("---",) * len(part.headings), *part.rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]


def _html(part: "str | Table") -> list[str]:
    if isinstance(part, str):
        return [f"<p>{escape(part)}</p>"]
    lines = ["<table>"]
    for kind, rows in (("th", [part.headings]), ("td", part.rows)):
        for row in rows:
            cells = "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row)
            lines.append(f"<tr>{cells}</tr>")
    return [*lines, "</table>"]
