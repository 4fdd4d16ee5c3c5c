"""What a schema of PostgreSQL has beside the tables of the index: sums, an epoch, which it is."""

from storage.index.engines import KeyTables

# Empty where no receipt tells it. In UTC, of milliseconds since 1970.
_MONTH = (
    "CASE WHEN {row}.received > 0 THEN "
    "to_char(to_timestamp({row}.received / 1000) AT TIME ZONE 'UTC', 'YYYY-MM') ELSE '' END"
)
_OF_OLD = f"series = OLD.parent_id AND sender = OLD.sender AND month = {_MONTH.format(row='OLD')}"
_SUMS = (
    'CREATE TABLE received_sum (series BIGINT, sender TEXT COLLATE "C", month TEXT COLLATE "C", '
    "instances BIGINT, bytes BIGINT, PRIMARY KEY (series, sender, month))",
    f"""CREATE FUNCTION sum_received() RETURNS trigger LANGUAGE plpgsql AS $sum$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE received_sum SET instances = instances - 1, bytes = bytes - OLD.file_bytes
        WHERE {_OF_OLD};
        DELETE FROM received_sum WHERE {_OF_OLD} AND instances < 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO received_sum AS held
        VALUES (NEW.parent_id, NEW.sender, {_MONTH.format(row="NEW")}, 1, NEW.file_bytes)
        ON CONFLICT (series, sender, month) DO UPDATE
        SET instances = held.instances + 1, bytes = held.bytes + excluded.bytes;
    END IF;
    RETURN NULL;
END $sum$""",
    "CREATE TRIGGER received_sum AFTER INSERT OR DELETE OR UPDATE OF parent_id, file_bytes, "
    "sender, received ON instance FOR EACH ROW EXECUTE FUNCTION sum_received()",
)

# When something of each study came last; of a study that is left without any it goes.
_ARRIVALS = (
    "CREATE TABLE study_arrival (study BIGINT PRIMARY KEY, arrived BIGINT)",
    "CREATE INDEX study_arrival_arrived ON study_arrival (arrived, study)",
    """CREATE FUNCTION note_arrival() RETURNS trigger LANGUAGE plpgsql AS $note$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE study_arrival SET arrived = (
            SELECT MAX(instance.arrived) FROM series
            JOIN instance ON instance.parent_id = series.id
            WHERE series.parent_id = study_arrival.study
        ) WHERE study = (SELECT parent_id FROM series WHERE id = OLD.parent_id)
        AND arrived <= OLD.arrived;
        DELETE FROM study_arrival WHERE arrived IS NULL
        AND study = (SELECT parent_id FROM series WHERE id = OLD.parent_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO study_arrival AS held
        SELECT parent_id, NEW.arrived FROM series WHERE id = NEW.parent_id
        ON CONFLICT (study) DO UPDATE SET arrived = excluded.arrived
        WHERE excluded.arrived > held.arrived;
    END IF;
    RETURN NULL;
END $note$""",
    "CREATE TRIGGER study_arrival AFTER INSERT OR DELETE OR UPDATE OF parent_id, arrived "
    "ON instance FOR EACH ROW EXECUTE FUNCTION note_arrival()",
)

# A sequence, which takes no lock and is never taken back: who looks at it holds the right to write.
# It begins with a number that is no other schema's: one that takes the place of this has another.
_EPOCH = (
    "DO $epoch$ BEGIN EXECUTE format('CREATE SEQUENCE epoch_count START %s', "
    "1 + floor(random() * 4e15)::bigint); END $epoch$",
    "CREATE VIEW epoch AS SELECT 2 * last_value + is_called::int AS number FROM epoch_count",
    "CREATE FUNCTION raise_epoch() RETURNS trigger LANGUAGE plpgsql AS $raise$ "
    "BEGIN PERFORM nextval('epoch_count'); RETURN NULL; END $raise$",
)
_RAISES = (
    "CREATE TRIGGER epoch AFTER UPDATE OR DELETE ON {} "
    "FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch()"
)
READ_EPOCH = "SELECT number FROM epoch"

MAKE_META = (
    "CREATE TABLE IF NOT EXISTS meta (one INTEGER PRIMARY KEY CHECK (one = 1), version BIGINT)"
)
READ_NUMBER = "SELECT oid::bigint FROM pg_namespace WHERE nspname = ?"
READ_VERSION = "SELECT version FROM meta"
WRITE_VERSION = (
    "INSERT INTO meta VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET version = excluded.version"
)


# How far the index holds the lines of a journal, by their name.
_MAKE_MARK = 'CREATE TABLE mark (name TEXT COLLATE "C" PRIMARY KEY, position BIGINT NOT NULL)'
READ_MARK = "SELECT position FROM mark WHERE name = ?"
WRITE_MARK = (
    "INSERT INTO mark VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position"
)


def beside_tables(above: tuple[str, ...]) -> tuple[str, ...]:
    """The statements that make it, once the tables are there; `above`: those of the epoch."""
    return (
        *_SUMS,
        *_ARRIVALS,
        *_EPOCH,
        *(_RAISES.format(table) for table in above),
        MAKE_META,
        _MAKE_MARK,
    )


_ADDED = (
    'CREATE TABLE added_key (tag BIGINT PRIMARY KEY, decided TEXT COLLATE "C", reached BIGINT, '
    "last BIGINT, removed BIGINT)",
    'CREATE TABLE added_value (instance BIGINT, tag BIGINT, number BIGINT, vr TEXT COLLATE "C", '
    'text TEXT COLLATE "C", form TEXT COLLATE "C", PRIMARY KEY (instance, tag, number))',
    "CREATE INDEX added_value_form ON added_value (tag, left(form, 200))",
    "CREATE INDEX added_value_due ON added_value (instance) WHERE vr IS NULL",
    """CREATE FUNCTION add_values() RETURNS trigger LANGUAGE plpgsql AS $add$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO added_value (instance, tag, number)
        SELECT NEW.id, tag, 0 FROM added_key WHERE removed = 0;
    ELSE
        DELETE FROM added_value WHERE instance = OLD.id;
    END IF;
    RETURN NULL;
END $add$""",
    "CREATE TRIGGER added_value AFTER INSERT OR DELETE ON instance "
    "FOR EACH ROW EXECUTE FUNCTION add_values()",
)
KEY_TABLES = KeyTables(
    _ADDED,
    (
        "DROP TRIGGER added_value ON instance",
        "DROP FUNCTION add_values",
        "DROP TABLE added_value",
        "DROP TABLE added_key",
    ),
    "SELECT 1 WHERE to_regclass('added_key') IS NOT NULL",
)
