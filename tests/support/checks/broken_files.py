"""Files of the tree that are not what they should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.data.samples import data_set_bytes


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def without_syntax(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(data[start + 6 : start + 8], "little")
    path.write_bytes(data[:start] + data[start + 8 + length :])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x10
    path.write_bytes(data)


BROKEN: dict[str, Any] = {
    "missing": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "empty": lambda path: cut(path, 0),
    "cut in the preamble": lambda path: cut(path, 100),
    "cut in the file meta": lambda path: cut(path, 200),
    "no DICOM": lambda path: path.write_bytes(bytes(4096)),
    "no transfer syntax": without_syntax,
    "without its data set": lambda path: cut(path, path.stat().st_size - len(data_set_bytes(path))),
    "cut in the data set": lambda path: cut(path, path.stat().st_size - 20),
}


ROTTEN: dict[str, Any] = {"one bit of its pixels flipped": flip_a_bit}


@contextmanager
def replaced(path: Path, how: str) -> Iterator[None]:
    """Break a file of the tree, and put it back."""
    whole = path.read_bytes()
    (BROKEN | ROTTEN)[how](path)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(whole)
