"""Files of instances as objects, and their states in the ledger: the `Files` of a shared archive.

Nothing is moved: what is held, was displaced or is to go is told by rows alone, which change in one
transaction with what else is written of them.
"""

import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from storage.diagnostics import ResourceError
from storage.dicom import part10
from storage.dicom.values import Uids
from storage.files import FileFacts, Kept, StagingFolder, Stray, digest_of_rest, words_of
from storage.files.objects.contract import ObjectStore, Source
from storage.files.objects.keys import new_key
from storage.files.objects.store_faults import StoreError
from storage.index.engines import Engine
from storage.sharing.ledger import ObjectRow, Objects, State

_MILLISECONDS = 1000


class SharedTree(StagingFolder):
    """The `Files` of an archive that several nodes have; `data` is this node's own folder.

    `store` opens the objects once they are asked for.
    """

    def __init__(
        self, data: Path, engine: Engine, store: Callable[[], ObjectStore], name: str
    ) -> None:
        super().__init__(data, sync=False)
        self._engine, self._store, self._name = engine, store, name
        self.objects = Objects(engine)
        self.superseded = SharedSuperseded(engine, self.objects, store)

    def put(self, uids: Uids, source: Source, facts: FileFacts) -> str:
        """Have an object of an instance that no row names yet; its key.

        Not within a transaction: others would wait for it. Raises ResourceError, OSError.
        """
        key = new_key(uids)
        self._store().put(key, source, facts)
        return key

    def open(self, uids: Uids, key: str = "") -> BinaryIO:
        """The object of an instance. Raises FileNotFoundError, StoreError."""
        try:
            return self._store().open(key or self._held(uids).key)
        except FileNotFoundError:
            if not key or (held := self._held(uids)).key == key:
                raise
            return self._store().open(held.key)  # the other was replaced, and has gone

    def expect(self, instances: Sequence[Uids], whole: bool = True) -> Mapping[Uids, str]:
        """Look their keys up together, and have the store begin to read."""
        try:
            keys = self.objects.keys_of(instances)
            self._store().expect(keys.values(), whole)
        except ResourceError:
            return {}
        return keys

    def name(self, uids: Uids, key: str = "") -> str:
        """What a user finds the object of an instance by."""
        return f"{self._name}/{key or '/'.join(('tree', *uids))}"

    def refusal(self, error: OSError, uids: Uids) -> str:
        """What an error says."""
        return words_of(error)

    def holds(self, uids: Uids) -> bool:
        """Whether the instance has an object. Raises ResourceError."""
        return self.objects.held(uids) is not None

    def is_file(self, uids: Uids) -> bool:
        """Whether the object is there. Raises FileNotFoundError, StoreError."""
        self._store().held(self._held(uids).key)
        return True

    def digest(self, uids: Uids) -> str:
        """The digest of the data set in the object. Raises OSError, DataSetError."""
        with self.open(uids) as file:
            part10.read(file)
            return digest_of_rest(file)

    def arrived(self, uids: Uids) -> int:
        """When it arrived, in nanoseconds since 1970. Raises ResourceError."""
        try:
            return self._held(uids).facts.arrived
        except FileNotFoundError as error:
            raise ResourceError(str(error)) from error

    def last_arrival(self, study: str) -> int | None:
        """The same of the newest of a study; None: it has none. Raises ResourceError."""
        return self.objects.newest_of(study)

    def locked(self, *places: Uids) -> AbstractContextManager[None]:
        """Have the right to write, which one of all nodes has; what is done then is done at once.

        Raises ResourceError, also where that is taken back.
        """
        return self._engine.writing()

    def all_locked(self) -> AbstractContextManager[None]:
        """The same. Raises ResourceError."""
        return self._engine.writing()

    def place(self, staged: Path | str, uids: Uids, sync: bool = True) -> None:
        """Have `staged` be the object of an instance that has none. Raises ResourceError."""
        path = Path(staged)
        try:
            with path.open("rb") as file:
                meta = part10.read(file)
                size, digest = path.stat().st_size - meta.data_set_offset, digest_of_rest(file)
            arrived = path.stat().st_mtime_ns
            facts = FileFacts(meta.transfer_syntax_uid, size, digest, arrived=arrived)
            key = self.put(uids, path, facts)
            with self._engine.writing():
                self.objects.add(key, uids, State.HELD, facts)
        except OSError as error:
            raise ResourceError(words_of(error)) from error
        self.discard(path)

    def sync_places(self, *instances: Uids) -> None:
        """Nothing: what is committed is durable."""

    def sync_instances(self, instances: Collection[Uids]) -> None:
        """The same."""

    def withdraw(self, uids: Uids, kept: Path | None) -> None:
        """Nothing: what was placed goes with its transaction."""

    def put_back(self, kept: Kept) -> None:
        """Have what was displaced be held again. Raises ResourceError."""
        with self._engine.writing():
            if not self.objects.turn(str(kept.path), State.SUPERSEDED, State.HELD):
                raise ResourceError(f"{kept.path}: is not kept any more")

    def prune(self, uids: Uids) -> None:
        """Have an object not be held that is not there. Raises ResourceError.

        Where it comes back, as with a store that was another one for a while, it can be restored.
        """
        with self._engine.writing():
            if held := self.objects.held(uids):
                self.objects.turn(held.key, State.HELD, State.SUPERSEDED)

    def instances(self) -> Iterator[Uids]:
        """All that is held. Raises ResourceError."""
        return (one.uids for one in self.objects.all_held())

    def entries(self) -> Iterator[Uids | Stray]:
        """The same: what no row names is the sweeper's. Raises ResourceError."""
        return self.instances()

    def remove_stray(self, stray: Path) -> str:
        """There are none."""
        raise ResourceError(f"{stray}: is no object of this archive")

    def remove_folder(self, folder: Path) -> bool:
        """There are none."""
        return False

    def is_there(self) -> bool:
        """Whether instances are kept here. Raises ResourceError."""
        return next(self.instances(), None) is not None

    def _held(self, uids: Uids) -> ObjectRow:
        """Raises FileNotFoundError where there is none, StoreError where nobody can tell."""
        try:
            found = self.objects.held(uids)
        except ResourceError as error:
            raise StoreError(str(error)) from error
        if found is None:
            raise FileNotFoundError(errno.ENOENT, f"{self.name(uids)}: is not held")
        return found


class SharedSuperseded:
    """The `SupersededFiles` of a shared archive: `Kept.path` is the key of an object."""

    def __init__(self, engine: Engine, objects: Objects, store: Callable[[], ObjectStore]) -> None:
        self._engine, self._objects, self._store = engine, objects, store

    def keep(self, uids: Uids) -> Path:
        """Have the object of an instance be one of before; its key. Raises ResourceError."""
        with self._engine.writing():
            held = self._objects.held(uids)
            if held is None:
                raise ResourceError(f"{'/'.join(uids)}: is not held any more")
            self._objects.turn(held.key, State.HELD, State.SUPERSEDED)
        return Path(held.key)

    def take(self, uids: Uids) -> Path:
        """The same: whatever comes in its place has another key. Raises ResourceError."""
        return self.keep(uids)

    def forget_copy(self, uids: Uids) -> None:
        """Nothing: an object is the one or the other."""

    def open(self, kept: Kept) -> BinaryIO:
        """What is kept. Raises FileNotFoundError, StoreError."""
        return self._store().open(str(kept.path))

    def remove(self, kept: Path) -> None:
        """Have what is kept be one that the sweeper removes. Raises ResourceError."""
        with self._engine.writing():
            self._objects.turn(str(kept), State.SUPERSEDED, State.TO_DELETE)

    def copies_of(self, uids: Uids) -> list[Path]:
        """Those of an instance. Raises ResourceError."""
        return [Path(one.key) for one in self._objects.superseded(*uids)]

    def kept_in(self, study: str, series: str) -> set[str]:
        """The instances of a series of which something is kept. Raises ResourceError."""
        return {one.uids[2] for one in self._objects.superseded(study, series)}

    def all(self, *above: str) -> Iterator[Kept]:
        """All that is kept, or of a study or series. Raises ResourceError."""
        for one in self._objects.superseded(*above):
            yield Kept(Path(one.key), one.uids, one.since / _MILLISECONDS, one.facts.file_bytes)
