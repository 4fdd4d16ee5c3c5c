"""A change of files and rows, marked for as long as it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import catch_up
from storage.journal import changes_cut_off, in_progress


@contextmanager
def marked(data: Path, charset: str) -> Iterator[None]:
    """End first what an earlier one left half-done. Raises ResourceError."""
    if changes_cut_off(data):
        catch_up(data, charset)
    with in_progress(data):
        yield
