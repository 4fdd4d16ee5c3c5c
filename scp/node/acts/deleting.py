"""What leaves the archive for superseded/, and what comes back from there."""

from collections.abc import Sequence
from dataclasses import dataclass

from scp.node.acts.actor import Actor, ActProgress
from storage import Archive, Location
from storage.maintenance.changes import KeptFiles, Named, all_held, deletion


@dataclass(frozen=True)
class Deletion:
    """What is named of it, and what of that is held."""

    named: Sequence[Named]
    instances: Sequence[Location]
    absent: Sequence[Named]

    @classmethod
    def planned(cls, archive: Archive, named: Sequence[Named], charset: str) -> "Deletion":
        """What would go. Raises ArchiveError."""
        return cls(named, *all_held(archive, named, charset))

    @property
    def studies(self) -> int:
        """Of how many they are."""
        return len({one.uids[0] for one in self.instances})

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(one.file_bytes for one in self.instances)

    def run(self, actor: Actor, archive: Archive, progress: ActProgress) -> int:
        """Move it to superseded/, or raise ArchiveError; how many instances that were."""
        progress.begin("deleting", len(self.instances), "files")
        return actor.each("delete", deletion.delete(archive, self.instances), progress)


@dataclass(frozen=True)
class Restoration:
    """Files of what was deleted, and of what is named in words that of which there is none."""

    files: KeptFiles
    absent: Sequence[str]

    @classmethod
    def planned(cls, archive: Archive, named: Sequence[Named], charset: str) -> "Restoration":
        """What would come back. Raises ArchiveError."""
        files = KeptFiles((), only_last=True)
        absent: list[str] = []
        for one in named:
            found = deletion.restorable(archive, one, charset)
            files.add(found)
            absent += [] if found else [str(one)]
        return cls(files, absent)

    def run(self, actor: Actor, archive: Archive, charset: str, progress: ActProgress) -> int:
        """Bring it back, or raise ArchiveError; how many instances that were."""
        progress.begin("restoring", len(self.files), "files")
        restored = deletion.restore(archive, self.files, charset)
        return actor.each("restore", restored, progress)
