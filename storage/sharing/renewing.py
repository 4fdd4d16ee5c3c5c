"""A new index of a shared archive, in a schema beside the one in use, whose name it takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.index import PostgresIndex, open_postgres
from storage.journal import CORRECTIONS
from storage.sharing.ledger import Objects
from storage.sharing.opened import Shared
from storage.sharing.table_journal import TableJournal

_RENAME = "ALTER SCHEMA {} RENAME TO {}"
_DROP = "DROP SCHEMA IF EXISTS {} CASCADE"


class NewIndex:
    """One that is being made; it has the rest of the archive beside, as the other one has."""

    def __init__(self, shared: Shared) -> None:
        """Make its tables, in the place of those that one which was cut off has left.

        Raises ResourceError.
        """
        self._old, self._schema = shared.engine.schema, f"{shared.engine.schema}_new"
        self._replaced = f"{self._old}_old"
        for name in (self._replaced, self._schema):
            with shared.engine.writing():
                shared.engine.execute(_DROP.format(name), ())
        self.index: PostgresIndex = open_postgres(
            shared.place.index_url, self._schema, shared.place.schema
        )
        self.engine = self.index.engine
        self.journal = TableJournal(self.engine, shared.journal.folder)
        self.objects = Objects(self.engine)
        self.index.create()
        # Headers are shown as they are corrected by now, or later.
        self.engine.mark(self.journal, CORRECTIONS, self.journal.size(CORRECTIONS))

    @contextmanager
    def taking_place(self, version: int) -> Iterator[None]:
        """Have it be the archive's index behind the block, in which nobody else writes.

        Raises ResourceError.
        """
        with self.engine.writing():
            yield
            self.engine.set_version(version)
            self.engine.execute(_RENAME.format(self._old, self._replaced), ())
            self.engine.execute(_RENAME.format(self._schema, self._old), ())

    def close(self) -> None:
        """Have its connections end."""
        self.engine.close()


def drop_replaced(shared: Shared) -> None:
    """Drop the index that was replaced, once nobody reads it. Raises ResourceError."""
    with shared.engine.writing():
        shared.engine.execute(_DROP.format(f"{shared.engine.schema}_old"), ())
