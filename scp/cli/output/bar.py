"""How far a command is, as a bar on a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from scp.cli.output.printing import say
from scp.cli.output.progress import Shown, size
from storage.diagnostics import escaped


class Bar(Shown):
    """A progress bar on a terminal, with rate and time left."""

    wants_total = True

    def __init__(self, command: str, progress: Progress) -> None:
        super().__init__(command)
        self._progress = progress
        self._task: TaskID = progress.add_task("", total=None, unit="bytes")

    def begin(self, what: str, total: int, unit: str = "bytes") -> None:
        """What comes now, and how much of it there is, in bytes or files; 0: nobody knows."""
        description = escaped(what)
        self._progress.reset(self._task, description=description, total=total or None, unit=unit)

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._progress.advance(self._task, count)

    def name(self, what: str) -> None:
        """What is being done, in other words."""
        self._progress.update(self._task, description=escaped(what))

    def say(self, line: str) -> None:
        """Print a line to stdout, which may be the terminal that the bar is on."""
        self._progress.stop()
        say(line)
        self._progress.start()


class _Rate(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        """How many in a second, in its unit."""
        speed, unit = task.finished_speed or task.speed or 0.0, task.fields["unit"]
        return Text(f"{size(speed)}/s" if unit == "bytes" else f"{speed:,.0f} {unit}/s")


def progress() -> Progress:
    """What draws the bar."""
    told = TextColumn("{task.description}", markup=False)  # `[red]` may be in a file's name
    columns = told, BarColumn(), _Rate(), TimeRemainingColumn()
    console = Console(stderr=True)
    return Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )
