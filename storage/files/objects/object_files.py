"""The files of instances, for who reads one, as the objects of a store."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from storage.dicom.values import Uids
from storage.files import FileFacts
from storage.files.objects.contract import ObjectStore, Source
from storage.files.objects.keys import new_key


class ObjectFiles:
    """Objects by the keys that rows have of them; `data` is the folder of this node alone."""

    def __init__(self, data: Path, store: ObjectStore) -> None:
        self.data = data
        self.store = store

    def put(self, uids: Uids, source: Source, facts: FileFacts) -> str:
        """Have an object of an instance; its key, which nobody knows yet.

        Raises ResourceError; an object may be there then, which no row names.
        """
        key = new_key(uids)
        self.store.put(key, source, facts)
        return key

    def open(self, uids: Uids, key: str) -> BinaryIO:
        """The object of an instance, for the caller to close. Raises OSError."""
        if not key:
            raise FileNotFoundError(errno.ENOENT, f"No row names an object of {uids[2]}")
        return self.store.open(key)

    def expect(self, instances: Sequence[Uids], whole: bool = True) -> Mapping[Uids, str]:
        """Nothing: by UIDs nobody knows the keys."""
        return {}

    def name(self, uids: Uids, key: str) -> str:
        """What a user finds an object by; of what has none, its instance."""
        return f"{self.store.name}: {key or '/'.join(uids)}"
