"""Who has something done; and how far it has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scp.config import Settings
from scp.runtime import MANY, tell, user
from storage.diagnostics import ArchiveError
from storage.dicom.values import Uids


class ActProgress(Protocol):
    """Is told how far it has come."""

    def begin(self, what: str, total: int, unit: str = "bytes") -> None:
        """What comes now, and how much of it there is."""

    def advance(self, count: int) -> None:
        """How much more is done."""


class StoppedError(ArchiveError):
    """It was to end before it was done."""


@dataclass(frozen=True)
class Actor:
    """Who it is, for the audit trail, with where it was asked; and as the history of corrections
    tells it, which has one name for a user of the system and another for one of [users].
    """

    settings: Settings
    name: str
    origin: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""

    @classmethod
    def of_command(cls, settings: Settings) -> "Actor":
        """Who runs a command."""
        return cls(settings, user(), signature=user())

    def tell(self, event: str, **fields: object) -> None:
        """Add a line to the audit trail."""
        tell(self.settings, event, **{"user": self.name, **self.origin, **fields})

    def each(self, event: str, uids: Iterable[Uids], progress: ActProgress) -> int:
        """Do it to instances, one by one, and tell of what was done, however it ends; how many."""
        done, studies, outcome = 0, dict[str, None](), "done"
        try:
            for one in uids:
                done += 1
                if len(studies) < MANY:
                    studies[one[0]] = None
                progress.advance(1)
        except (ArchiveError, KeyboardInterrupt) as error:
            outcome = str(error) or "interrupted"
            raise
        finally:
            self.tell(event, instances=done, studies=list(studies), outcome=outcome)
        return done
