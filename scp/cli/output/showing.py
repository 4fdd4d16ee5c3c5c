"""What shows how far a command is, as who looks at it can have it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scp.cli.output.progress import Shown


@contextmanager
def shown(command: str) -> Iterator[Shown]:
    """What shows how far `command` is: a bar on a terminal, else a line in the log now and then."""
    if not sys.stderr.isatty():
        yield Shown(command)
        return
    from scp.cli.output import bar

    with bar.progress() as progress:
        yield bar.Bar(command, progress)
