"""What an index keeps of its own making: its tables, and the files that are doubtful or unreadable.

How far it is tell its marks, as those of any index; so one that was cut off can be gone on with.
"""

from peewee import SqliteDatabase

from storage.dicom.values import Uids
from storage.index.engines.sqlite.database import execute

_TABLES = (
    "CREATE TABLE making (signature INTEGER, charset TEXT)",
    "CREATE TABLE unread (study TEXT, series TEXT, instance TEXT, "
    "PRIMARY KEY (study, series, instance)) WITHOUT ROWID",
    "CREATE TABLE unsettled (study TEXT, series TEXT, instance TEXT, withdrawn INTEGER, "
    "PRIMARY KEY (study, series, instance)) WITHOUT ROWID",
)
_UNSETTLED = (
    "INSERT INTO unsettled VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET withdrawn = MAX(withdrawn, excluded.withdrawn)"
)
_SETTLED = "DELETE FROM unsettled WHERE study = ? AND series = ? AND instance = ?"
_NOTE = "INSERT OR IGNORE INTO unread VALUES (?, ?, ?) RETURNING 1"
_IS_NOTED = "SELECT 1 FROM unread WHERE study = ? AND series = ? AND instance = ?"


class Making:
    """For as long as an index is made; `end` leaves nothing of it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def begin(self, signature: int, charset: str) -> None:
        """Note what tables it is to have, and the character set of files without a receipt."""
        for table in _TABLES:
            execute(self._database, table, ())
        execute(self._database, "INSERT INTO making VALUES (?, ?)", (signature, charset))

    def go_on(self, signature: int, charset: str) -> bool:
        """Whether it was begun like that. What could not be read is tried again."""
        there = "SELECT 1 FROM sqlite_master WHERE name = 'making'"
        if not execute(self._database, there, ()):
            return False
        execute(self._database, "DELETE FROM unread", ())
        return execute(self._database, "SELECT * FROM making", ()) == [(signature, charset)]

    def end(self) -> None:
        """Forget what was noted: the tables are those of any index then."""
        for table in ("making", "unread", "unsettled"):
            execute(self._database, f"DROP TABLE {table}", ())

    def note_unread(self, uids: Uids) -> bool:
        """Note a file that cannot be read; whether that is new."""
        return bool(execute(self._database, _NOTE, uids))

    def note_unsettled(self, uids: Uids, withdrawn: bool) -> None:
        """Note an instance of whose receipts it is not known which is that of the file.

        `withdrawn`: any of them may have been.
        """
        execute(self._database, _UNSETTLED, (*uids, int(withdrawn)))

    def unsettled(self, most: int) -> dict[Uids, bool]:
        """Some of those, and whether receipts of them may have been withdrawn."""
        rows = execute(self._database, "SELECT * FROM unsettled LIMIT ?", (most,))
        return {(study, series, one): bool(withdrawn) for study, series, one, withdrawn in rows}

    def settle(self, uids: Uids) -> None:
        """Note that it is known by now."""
        execute(self._database, _SETTLED, uids)

    def is_unread(self, uids: Uids) -> bool:
        """Whether the file of an instance is known to be one that cannot be read."""
        return bool(execute(self._database, _IS_NOTED, uids))
