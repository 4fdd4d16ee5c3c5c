"""A document of sections, paragraphs and tables; as Markdown and as HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from storage.diagnostics import escaped

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { border: 1px solid #999; padding: .2em .6em; text-align: left; vertical-align: top; }
th { background: #eee; }
"""
# Markup of Markdown or HTML; within a word an underscore is none.
_MARKUP = re.compile(r"[\\`*\[\]<>#|~&]|(?<!\w)_|_(?!\w)")
_APART = 0xF0000
_IS_APART = re.compile(f"[{chr(_APART)}-{chr(_APART + 0x7F)}]")
# Deeper headings are in no table of contents.
_CONTENTS_DEPTH = 3


@dataclass(frozen=True)
class StatementTable:
    """Rows of texts under their headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Contents:
    """Where the table of contents stands."""


Part = str | StatementTable | Contents


@dataclass(frozen=True)
class Section:
    """A heading, its depth from 1 on, and what stands below it."""

    depth: int
    title: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class StatementDocument:
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


def literal(text: str) -> str:
    """A configured text, for a part of a document: whatever is in it stays what it is.

    What would be markup is set apart (in a private plane of Unicode) until the document is written.
    """
    return _MARKUP.sub(lambda found: chr(_APART + ord(found[0])), escaped(text))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> StatementTable:
    """A table of whatever can be a text."""
    return StatementTable(tuple(headings), tuple(tuple(str(cell) for cell in row) for row in rows))


def as_markdown(document: StatementDocument) -> str:
    """As Markdown, with tables of GitHub's kind."""
    lines = [f"# {_marked_down(document.title)}", ""]
    for number, section in document.numbered():
        lines += [f"{'#' * min(section.depth + 1, 6)} {number} {_marked_down(section.title)}", ""]
        for part in section.parts:
            lines += [*_markdown(document, part), ""]
    return "\n".join(lines)


def as_html(document: StatementDocument) -> str:
    """As one HTML page that needs nothing else."""
    title = escape(_back(document.title))
    lines = [
        "<!DOCTYPE html>", '<html lang="en">', '<head><meta charset="utf-8">',
        f"<title>{title}</title>", f"<style>{_STYLE}</style></head>", "<body>", f"<h1>{title}</h1>",
    ]  # fmt: skip
    for number, section in document.numbered():
        level = min(section.depth + 1, 6)
        lines.append(f'<h{level} id="s{number}">{number} {escape(_back(section.title))}</h{level}>')
        for part in section.parts:
            lines += _html(document, part)
    return "\n".join([*lines, "</body>", "</html>"])


def _markdown(document: StatementDocument, part: Part) -> list[str]:
    if isinstance(part, str):
        return [_marked_down(part)]
    if isinstance(part, Contents):
        return [
            f"{'  ' * (section.depth - 1)}- {number} {_marked_down(section.title)}"
            for number, section in document.contents()
        ]
    rows = [part.headings, ("---",) * len(part.headings), *part.rows]
    return ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def _cell(text: str) -> str:
    """As Markdown: there a bar ends a cell, in code too."""
    return re.sub(r"(?<!\\)\|", r"\\|", _marked_down(text))


def _marked_down(text: str) -> str:
    """A text as Markdown: a backslash before what is no markup, but for code, which has none."""
    pieces = text.split("`")
    for n, one in enumerate(pieces):
        pieces[n] = _code(_back(one)) if n % 2 else _IS_APART.sub(_with_backslash, one)
    return "".join(pieces)


def _code(text: str) -> str:
    """A span of code (CommonMark 6.1): its fence is longer than any in it."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def _with_backslash(found: re.Match[str]) -> str:
    return f"\\{_back(found[0])}"


def _back(text: str) -> str:
    return _IS_APART.sub(lambda found: chr(ord(found[0]) - _APART), text)


def _html(document: StatementDocument, part: Part) -> list[str]:
    if isinstance(part, str):
        return [f"<p>{_inline(part)}</p>"]
    if isinstance(part, Contents):
        links = (
            f'<a href="#s{number}">{number} {escape(_back(section.title))}</a>'
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
    pieces = [escape(_back(one), quote=False) for one in text.split("`")]
    marked = (f"<code>{one}</code>" if n % 2 else one for n, one in enumerate(pieces))
    return "".join(marked)
