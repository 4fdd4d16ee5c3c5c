"""What an index keeps of its own making: the files that cannot be read."""

from peewee import SqliteDatabase

from storage.dicom.values import Uids
from storage.index.sqlite.database import execute

_UNREAD = (
    "CREATE TABLE IF NOT EXISTS unread (study TEXT, series TEXT, instance TEXT, "
    "PRIMARY KEY (study, series, instance)) WITHOUT ROWID"
)
_NOTE = "INSERT OR IGNORE INTO unread VALUES (?, ?, ?) RETURNING 1"
_IS_NOTED = "SELECT 1 FROM unread WHERE study = ? AND series = ? AND instance = ?"


class Making:
    """For as long as an index is made; `end` leaves nothing of it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def begin(self) -> None:
        """Note nothing as yet."""
        execute(self._database, _UNREAD, ())

    def end(self) -> None:
        """Forget what was noted: the tables are those of any index then."""
        execute(self._database, "DROP TABLE unread", ())

    def note_unread(self, uids: Uids) -> bool:
        """Note a file that cannot be read; whether that is new."""
        return bool(execute(self._database, _NOTE, uids))

    def is_unread(self, uids: Uids) -> bool:
        """Whether the file of an instance is known to be one that cannot be read."""
        return bool(execute(self._database, _IS_NOTED, uids))
