"""What became of all that an import looked at, so that it can be read however much that is."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

from scp.cli.output.printing import say
from scp.cli.output.progress import Shown
from scp.runtime import MANY
from storage.archive import NO_DICOM, Taken
from storage.diagnostics import escaped
from storage.files import words_of

_EXAMPLES, _REASONS = 3, 40
_OTHERS = "other reasons"
# Of these reasons each UID is a reason of its own: there are few.
_EACH = re.compile(r"SOP class|Transfer syntax")
_UID, _NUMBER = re.compile(r"\b\d+(\.\d+)+\b"), re.compile(r"\b\d+\b")


@dataclass
class NotTaken:
    """By reason: how many, and the first few."""

    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def add(self, source: str, reason: str) -> None:
        """Count one."""
        reason = _kind(reason)
        if reason not in self.groups and len(self.groups) >= _REASONS:
            reason = _OTHERS
        count, examples = self.groups.get(reason, (0, []))
        if len(examples) < _EXAMPLES:
            examples.append(source)
        self.groups[reason] = count + 1, examples

    def lines(self) -> list[str]:
        """The most frequent reason first."""
        return [
            f"not taken: {count} x {reason}: {', '.join(examples)}"
            f"{', ...' if count > len(examples) else ''}"
            for reason, (count, examples) in self._sorted()
        ]

    def as_json(self) -> list[dict[str, object]]:
        """The same for a machine."""
        return [
            {"reason": reason, "count": count, "examples": examples}
            for reason, (count, examples) in self._sorted()
        ]

    def _sorted(self) -> list[tuple[str, tuple[int, list[str]]]]:
        return sorted(self.groups.items(), key=lambda one: -one[1][0])


def _kind(reason: str) -> str:
    """The reason without what is of one file only."""
    return reason if _EACH.match(reason) else _NUMBER.sub("N", _UID.sub("UID", reason))


@dataclass
class Summary:
    """What became of all sources."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    bytes: int = 0
    studies: dict[str, None] = field(default_factory=dict)
    not_taken: NotTaken = field(default_factory=NotTaken)
    ended_by: str = ""

    def add(self, taken: Taken) -> None:
        """Count one."""
        self.bytes += taken.size
        if taken.refused:
            self.refused += 1
        else:
            self.outcomes[taken.outcome] += 1
        if taken.refused or taken.outcome == NO_DICOM:
            self.not_taken.add(taken.source, taken.refused or taken.outcome)
        if taken.study and len(self.studies) < MANY:
            self.studies[taken.study] = None

    @property
    def files(self) -> int:
        """How many were looked at."""
        return self.outcomes.total() + self.refused

    def __str__(self) -> str:
        parts = [f"{outcome}={count}" for outcome, count in sorted(self.outcomes.items())]
        return ", ".join([f"files={self.files}", *parts, f"refused={self.refused}"])

    def as_json(self, seconds: float) -> dict[str, Any]:
        """The same for a machine."""
        return {
            "files": self.files, "outcomes": dict(self.outcomes), "refused": self.refused,
            "bytes": self.bytes, "seconds": round(seconds, 3), "ended_by": self.ended_by,
            "not_taken": self.not_taken.as_json(),
        }  # fmt: skip


@dataclass
class Refusals:
    """Where a line goes for each file that is refused: a report, else what is printed."""

    report: TextIO | None = None
    as_json: bool = False

    def say(self, line: str, progress: Shown) -> None:
        """Tell of one."""
        if self.report:
            try:
                self.report.write(f"{escaped(line)}\n")
            except OSError as error:
                say(f"minipacs: --report {self.report.name}: {words_of(error)}", err=True)
                self.report = None
            else:
                return
        if self.as_json:
            say(line, err=True)
        else:
            progress.say(line)
