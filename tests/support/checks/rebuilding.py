"""An index that is lost, and the making of another one held up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from support import (
    RunningNode,
)

ANEW = "The index is being made anew; ask again later"


@contextmanager
def held_up(node: RunningNode) -> Iterator[None]:
    """A file in the tree that whoever reads it waits for, until the end of the block."""
    pipe = node.data / "tree" / "9.9" / "9.9" / "9.9.dcm"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    os.utime(pipe, (0, 0))  # the first that is read
    try:
        yield
    finally:
        os.close(os.open(pipe, os.O_RDWR))  # who waits for it finds nothing in it
        pipe.unlink()
        pipe.parent.rmdir()
        pipe.parent.parent.rmdir()


def lose_index(node: RunningNode) -> None:
    for path in node.data.glob("index.sqlite*"):
        path.unlink()
