"""The tables of the keys that were added to an index."""

from storage.index.engines import KeyTables

_TABLES = (
    "CREATE TABLE added_key (tag INTEGER PRIMARY KEY, decided TEXT, reached INTEGER, "
    "last INTEGER, removed INTEGER)",
    "CREATE TABLE added_value (instance INTEGER, tag INTEGER, number INTEGER, vr TEXT, text TEXT, "
    "form TEXT, PRIMARY KEY (instance, tag, number)) WITHOUT ROWID",
    "CREATE INDEX added_value_form ON added_value (tag, form)",
    "CREATE INDEX added_value_due ON added_value (instance) WHERE vr IS NULL",
    "CREATE TRIGGER added_value_of_new AFTER INSERT ON instance BEGIN "
    "INSERT INTO added_value (instance, tag, number) "
    "SELECT NEW.id, tag, 0 FROM added_key WHERE NOT removed; END",
    "CREATE TRIGGER added_value_of_deleted AFTER DELETE ON instance BEGIN "
    "DELETE FROM added_value WHERE instance = OLD.id; END",
)
_DROP = (
    "DROP TRIGGER added_value_of_new", "DROP TRIGGER added_value_of_deleted",
    "DROP TABLE added_value", "DROP TABLE added_key",
)  # fmt: skip
TABLES = KeyTables(_TABLES, _DROP, "SELECT 1 FROM sqlite_master WHERE name = 'added_key'")
