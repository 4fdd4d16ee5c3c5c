"""What becomes of one closed segment: which of its lines go, and whether that is worth while."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from storage.journal import Times, times_line, times_told
from storage.journal.segments import Line, Replacement, rewriting
from storage.maintenance.compaction.unneeded import Unneeded

# Of what a segment has on the disk at least so much is to be won by writing it anew.
_WORTH = 1 / 8


@dataclass
class _Group:
    """Lines one after the other that go, and what is told of them and of others before."""

    start: int
    end: int
    lines: list[Line] = field(default_factory=list)
    times: list[Times] = field(default_factory=list)

    def take(self, line: Line, goes: bool, times: Iterable[Times]) -> None:
        self.end = line.end
        if goes:
            self.lines.append(line)
        for one in times:
            if not self.times or not self.times[-1].take(one):
                self.times.append(one)


@dataclass(frozen=True)
class SegmentPlan:
    """The lines that go, what takes their place, by bytes of the file, and what that wins."""

    lines: list[Line]
    replacements: list[Replacement]
    bytes: int
    is_worth: bool


def planned(path: Path, begin: int, lines: Iterable[Line], unneeded: Unneeded) -> SegmentPlan:
    """See what may go of the lines of a segment. Raises OSError, ResourceError."""
    gone: list[Line] = []
    replacements: list[Replacement] = []

    def close(group: _Group | None) -> None:
        if not group or not group.lines:
            return
        text = times_line(group.times) if group.times else b""
        if len(text) < group.end - group.start:
            place = group.start - begin, group.end - begin
            replacements.append(Replacement(*place, text))
            gone.extend(group.lines)
        else:
            leave(group.lines, unneeded)

    group: _Group | None = None
    for line in lines:
        goes = _is_whole(line) and unneeded.may_go(line)
        times = unneeded.times(line) if goes else times_told(line.text)
        if not goes and not times:
            close(group)
            group = None
            continue
        group = group or _Group(line.start, line.end)
        group.take(line, goes, times)
    close(group)
    held = rewriting.blocks(path) if replacements else []
    freed = rewriting.freed(held, replacements)
    is_worth = freed > 0 and freed >= _WORTH * sum(held)
    return SegmentPlan(gone, replacements, freed * rewriting.BLOCK_BYTES, is_worth)


def leave(lines: Iterable[Line], unneeded: Unneeded) -> None:
    """Have what others need of these lines stay too."""
    for line in lines:
        unneeded.stay(line)


def _is_whole(line: Line) -> bool:
    """Whether it was not cut short: its end is there."""
    return line.end - line.start > len(line.text)
