"""The tables of the queue, as SQLite has them, and what brings those of an earlier version up."""

VERSION = 3
# What brings the tables of a version to those of the next.
_FROM = {
    # Which journal it followed is not known, and believed.
    1: """
ALTER TABLE position ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE position ADD COLUMN tail TEXT NOT NULL DEFAULT '';
""",
    # Whether an error was in sending is not known: most are.
    2: """
ALTER TABLE destination ADD COLUMN sent_at REAL;
ALTER TABLE destination ADD COLUMN ask_error TEXT NOT NULL DEFAULT '';
ALTER TABLE destination ADD COLUMN ask_error_at REAL;
ALTER TABLE destination ADD COLUMN asked_at REAL;
CREATE INDEX item_tried ON item (destination, state) WHERE attempts > 0;
""",
}
_TABLES = """
CREATE TABLE position (journal INTEGER, identity TEXT NOT NULL DEFAULT '',
    tail TEXT NOT NULL DEFAULT '');
CREATE TABLE item (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, study TEXT NOT NULL, series TEXT NOT NULL,
    instance TEXT NOT NULL, sop_class TEXT NOT NULL, syntax TEXT NOT NULL, bytes INTEGER NOT NULL,
    digest TEXT NOT NULL, charset TEXT NOT NULL, since REAL NOT NULL, quiet REAL,
    state TEXT NOT NULL DEFAULT 'waiting', due REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    words TEXT NOT NULL DEFAULT '', request TEXT,
    UNIQUE (destination, study, series, instance));
CREATE INDEX item_state ON item (destination, state, due);
CREATE INDEX item_request ON item (request) WHERE request IS NOT NULL;
CREATE INDEX item_study ON item (study);
CREATE INDEX item_tried ON item (destination, state) WHERE attempts > 0;
CREATE TABLE study (uid TEXT PRIMARY KEY, last REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE done (destination TEXT, uids BLOB, digest BLOB, PRIMARY KEY (destination, uids))
    WITHOUT ROWID;
CREATE TABLE destination (name TEXT PRIMARY KEY, sent INTEGER NOT NULL DEFAULT 0,
    committed INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', error_at REAL,
    sent_at REAL, ask_error TEXT NOT NULL DEFAULT '', ask_error_at REAL, asked_at REAL);
CREATE TABLE request (uid TEXT PRIMARY KEY, destination TEXT NOT NULL, at REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0);
"""


def statements_from(version: int) -> list[str]:
    """What makes the tables of this version of those of an earlier one; 0: of none."""
    steps = [_FROM[one] for one in range(version, VERSION)] if version else [_TABLES]
    return [one for text in steps for statement in text.split(";") if (one := statement.strip())]


def fault_of_version(version: int) -> str:
    """Why tables of a version cannot be used; empty where they can be, or brought up."""
    return "" if 0 <= version <= VERSION else f"of another version, {version}"
