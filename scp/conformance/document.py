"""A document of sections, paragraphs and tables; as Markdown and as HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { border: 1px solid #999; padding: .2em .6em; text-align: left; vertical-align: top; }
th { background: #eee; }
"""
# Deeper headings are in no table of contents.
_CONTENTS_DEPTH = 3


@dataclass(frozen=True)
class Table:
    """Rows of texts under their headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Contents:
    """Where the table of contents stands."""


Part = str | Table | Contents


@dataclass(frozen=True)
class Section:
    """A heading, its depth from 1 on, and what stands below it."""

    depth: int
    title: str
    parts: tuple[Part, ...] = ()


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

    def contents(self) -> Iterable[tuple[str, Section]]:
        """What a table of contents lists."""
        return ((n, section) for n, section in self.numbered() if section.depth <= _CONTENTS_DEPTH)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of whatever can be a text."""
    return Table(tuple(headings), tuple(tuple(str(cell) for cell in row) for row in rows))


def as_markdown(document: Document) -> str:
    """As Markdown, with tables of GitHub's kind."""
    lines = [f"# {document.title}", ""]
    for number, section in document.numbered():
        lines += [f"{'#' * min(section.depth + 1, 6)} {number} {section.title}", ""]
        for part in section.parts:
            lines += [*_markdown(document, part), ""]
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
        lines.append(f'<h{level} id="s{number}">{number} {escape(section.title)}</h{level}>')
        for part in section.parts:
            lines += _html(document, part)
    return "\n".join([*lines, "</body>", "</html>"])


def _markdown(document: Document, part: Part) -> list[str]:
    if isinstance(part, str):
        return [part]
    if isinstance(part, Contents):
        return [
            f"{'  ' * (section.depth - 1)}- {number} {section.title}"
            for number, section in document.contents()
        ]
    rows = [part.headings, ("---",) * len(part.headings), *part.rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]


def _html(document: Document, part: Part) -> list[str]:
    if isinstance(part, str):
        return [f"<p>{_inline(part)}</p>"]
    if isinstance(part, Contents):
        links = (
            f'<a href="#s{number}">{number} {escape(section.title)}</a>'
            for number, section in document.contents()
        )
        return ["<p>", "<br>\n".join(links), "</p>"]
    lines = ["<table>"]
    for kind, rows in (("th", [part.headings]), ("td", part.rows)):
        for row in rows:
            cells = "".join(f"<{kind}>{_inline(cell)}</{kind}>" for cell in row)
            lines.append(f"<tr>{cells}</tr>")
    return [*lines, "</table>"]


def _inline(text: str) -> str:
    """A text as HTML: what stands between backticks is code."""
    pieces = escape(text, quote=False).split("`")
    marked = (f"<code>{one}</code>" if n % 2 else one for n, one in enumerate(pieces))
    return "".join(marked)
