"""Connections that SQLite opened without the right to write, which they never get back."""

import sqlite3

from peewee import SqliteDatabase

_PRIMARY = 0xFF  # of an extended result code, the code

# The databases that could not be written the last time: no connection is kept for the next thread.
suspects: set[str] = set()


def let_go(database: SqliteDatabase, error: BaseException) -> None:
    """Close the calling thread's connection where it cannot write, and those that wait for use.

    The next one writes once the rights are mended. The shared memory is opened once for a whole
    process, so that it takes the end of all that are open.
    """
    if getattr(error, "sqlite_errorcode", 0) & _PRIMARY != sqlite3.SQLITE_READONLY:
        return
    suspects.add(str(database.database))
    database.close()
    if hasattr(database, "close_idle"):
        database.close_idle()
