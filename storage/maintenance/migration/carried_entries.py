"""Entries of the worklist brought to another archive: files of a folder become lines there.

Lines of entries are not brought as they are: what counts of folder and lines is held against what
counts there, and what differs is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.archive import Archive
from storage.journal import ENTRIES, Journal, line_of
from storage.maintenance.migration.targets import Target
from storage.worklist import EVER, Rules, Worklist, line_put, line_removed
from storage.worklist.entries import Entry

# Of a line: who wrote it, so that one of a node is told from it.
BY = {"by": "migrate"}


def entries_that_differ(
    source: Archive, folder: Path | None, charset: str, target: Journal | None
) -> tuple[list[bytes], list[str]]:
    """The lines that have a target's entries be those of a source; files that are not taken.

    `folder`: that of the source; `target`: its journal, None where there is none yet. Raises
    ResourceError.
    """
    with _looked_at(source.journal, folder, charset) as worklist:
        wanted = _entries(worklist)
        notes = [f"worklist: {one.file} is not taken, and stays: {one.words}"
                 for one in worklist.faults()]  # fmt: skip
    there: dict[tuple[str, str], Entry] = {}
    if target:
        with _looked_at(target, None, charset) as worklist:
            there = _entries(worklist)
    told = [line_put(one) for key, one in wanted.items() if there.get(key) != one]
    told += [line_removed(*key) for key in there if key not in wanted]
    return [line_of({**one, **BY}).strip(b"\n") for one in told], notes


def bring_entries(
    source: Archive, folder: Path | None, charset: str, target: Target
) -> tuple[int, list[str]]:
    """Have the target's entries be those of the source: how many lines; files that are not taken.

    Raises ResourceError.
    """
    lines, notes = entries_that_differ(source, folder, charset, target.archive.journal)
    if lines:
        target.add_lines(ENTRIES, lines)
    return len(lines), notes


@contextmanager
def _looked_at(journal: Journal, folder: Path | None, charset: str) -> Iterator[Worklist]:
    """A worklist with tables of its own: nothing is made where it lies."""
    with TemporaryDirectory(prefix="minipacs-") as scratch:
        there = folder if folder and folder.is_dir() else None
        worklist = Worklist(Path(scratch), journal, there, charset)
        try:
            yield worklist
        finally:
            worklist.close()


def _entries(worklist: Worklist) -> dict[tuple[str, str], Entry]:
    return {one.entry.key: one.entry for one in worklist.known(EVER, Rules())}
