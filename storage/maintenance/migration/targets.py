"""Where an archive is brought to: a folder, or what several nodes have."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from storage.archive import Archive
from storage.archive.finding import added_keys
from storage.diagnostics import FolderError, ResourceError
from storage.dicom.values import Uids
from storage.files import Kept, Tree, why_not, why_not_made
from storage.files.locks import claimed
from storage.files.objects.keys import new_key
from storage.index import forget, index_path, record
from storage.journal import MIGRATED, RECEIPTS
from storage.journal.corrections import in_force
from storage.maintenance.changes import catch_up_corrections
from storage.maintenance.migration.staged_copies import StagedCopy
from storage.maintenance.recovery import fault_of_index, settle_index, startup
from storage.sharing.ledger import State
from storage.sharing.nodes import registry_of
from storage.sharing.opened import Shared, shared_of
from storage.sharing.own_folder import require_own, taken_for_shared
from storage.sharing.place import shared_place
from storage.sharing.preparing import prepare_shared

_MILLISECOND = 1_000_000  # in nanoseconds


class Change(NamedTuple):
    """What is to be done to an instance: held as `copy`, or, without one, not held."""

    uids: Uids
    copy: StagedCopy | None


class Target(Protocol):
    """What is being filled. Every method raises ResourceError."""

    archive: Archive

    def hold(self, changes: Sequence[Change]) -> None:
        """Have instances be held as these say, with their rows."""

    def keep(self, copy: StagedCopy, since: int) -> None:
        """Have what was displaced then, in milliseconds since 1970."""

    def drop(self, kept: Kept) -> None:
        """Have it no more."""

    def add_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """Have lines of the journal."""

    def finish(self) -> None:
        """Have the index be one of all lines, and of no more than is held."""


@contextmanager
def prepared_target(data: Path, sync: bool) -> Iterator[Target]:
    """An archive that is to be filled, made where there is none, and that nobody else uses.

    Where it is elsewhere `share` has told so. Raises FolderError, which says what to do.
    """
    if not shared_place(data):
        with _own_folder(data, sync):
            yield FolderTarget(data, sync)
        return
    with taken_for_shared(data):
        if not prepare_shared(data):
            words = "is not whole: `minipacs rebuild` makes it anew"
            raise FolderError(f"the index in PostgreSQL {words}")
        require_no_node(data)
        yield SharedTarget(data, shared_of(data))


@contextmanager
def _own_folder(data: Path, sync: bool) -> Iterator[None]:
    """A folder that is made, and nobody else's for the block. Raises FolderError."""
    require_own(data)
    if fault := why_not(data) or why_not_made(data):
        raise FolderError(fault)
    with ExitStack() as claims:
        try:
            tree = Tree(data, sync)
            tree.make_folders()
            claims.enter_context(claimed(data))
            tree.clear()
        except OSError as error:
            raise FolderError(f"{error.filename or data}: {error.strerror}") from error
        yield


def require_no_node(data: Path) -> None:
    """Raise FolderError where nodes serve what is to be filled. Raises ResourceError."""
    if names := living_nodes(data):
        raise FolderError(f"{', '.join(names)}: serves the archive that is to be filled; end it")


def living_nodes(data: Path) -> list[str]:
    """The nodes that serve an archive which several have. Raises ResourceError."""
    registry = registry_of(data)
    if registry is None or not registry.is_made():
        return []
    return [one.node.name for one in registry.all() if one.is_living]


class FolderTarget:
    """A folder, which this process has for itself."""

    def __init__(self, data: Path, sync: bool) -> None:
        """Make its journal and its index. Raises FolderError, ResourceError."""
        self._tree = Tree(data, sync)
        try:
            (data / "journal").mkdir(mode=0o700, exist_ok=True)
            self.archive = Archive(data, sync)
            self.archive.journal.prepare()
            if fault_of_index(index_path(data), look_through=True):
                startup.new_index(index_path(data), is_whole=True)
        except OSError as error:
            raise FolderError(f"{error.filename or data}: {error.strerror}") from error

    def hold(self, changes: Sequence[Change]) -> None:
        """See `Target`."""
        corrections = in_force(self._tree.data)
        for uids, copy in changes:
            with self._tree.locked(uids):
                if copy is None or copy.header is None:
                    self._tree.withdraw(uids, None)  # first: the row tells that it is to be done
                    forget(self.archive.index, uids)
                    continue
                self._tree.place(copy.path, uids)
                record(self.archive.index, corrections.corrected(copy.header), copy.facts)

    def keep(self, copy: StagedCopy, since: int) -> None:
        """See `Target`."""
        self._tree.superseded.bring(copy.path, copy.uids, since * _MILLISECOND)

    def drop(self, kept: Kept) -> None:
        """See `Target`."""
        self._tree.superseded.remove(kept.path)

    def add_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """See `Target`."""
        self.archive.journal.append_lines(name, texts)

    def finish(self) -> None:
        """See `Target`."""
        data, journal = self._tree.data, self.archive.journal
        added_keys.bring_up(self.archive.index, journal)
        catch_up_corrections(data)
        try:
            journal.sync_lines(RECEIPTS)
            settle_index(data)
        except OSError as error:
            raise ResourceError(f"{error.filename or data}: {error.strerror}") from error


class SharedTarget:
    """Tables and objects that several nodes are to have; none of them serves yet."""

    def __init__(self, data: Path, shared: Shared) -> None:
        self.archive = Archive(data)
        self._shared = shared

    def hold(self, changes: Sequence[Change]) -> None:
        """See `Target`."""
        shared, objects = self._shared, self._shared.objects
        keys = {one.uids: self._put(one.copy) for one in changes if one.copy}
        corrections = in_force(self.archive.tree.data)
        with shared.engine.writing():
            for uids, copy in changes:
                if held := objects.held(uids):
                    objects.turn(held.key, State.HELD, State.TO_DELETE)
                if copy is None or copy.header is None:
                    forget(shared.index, uids)
                    continue
                objects.add(keys[uids], uids, State.HELD, copy.facts)
                record(shared.index, corrections.corrected(copy.header), copy.facts)

    def keep(self, copy: StagedCopy, since: int) -> None:
        """See `Target`."""
        key = self._put(copy)
        with self._shared.engine.writing():
            self._shared.objects.add(key, copy.uids, State.SUPERSEDED, copy.facts, since=since)

    def drop(self, kept: Kept) -> None:
        """See `Target`."""
        self._shared.tree.superseded.remove(kept.path)

    def add_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """See `Target`."""
        self.archive.journal.append_lines(name, texts)

    def finish(self) -> None:
        """See `Target`."""
        added_keys.bring_up(self.archive.index, self.archive.journal)
        catch_up_corrections(self.archive.tree.data)

    def _put(self, copy: StagedCopy) -> str:
        """An object of a copy, by the time of whose arrival it stands among others; its key."""
        key = new_key(copy.uids, copy.facts.arrived)
        try:
            self._shared.store().put(key, copy.path, copy.facts)
        except ResourceError:
            raise
        except OSError as error:
            raise ResourceError(f"{copy.path}: {error.strerror}") from error
        return key


def is_new(archive: Archive) -> bool:
    """Whether an archive has nothing yet. Raises OSError, ResourceError."""
    journal, tree = archive.journal, archive.tree
    has_lines = any(journal.size(name) for name in journal.names() if name != MIGRATED)
    has_files = next(tree.instances(), None) or next(iter(tree.superseded.all()), None)
    return not has_lines and not has_files
