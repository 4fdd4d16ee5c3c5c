"""The index's tables, made from the table of attributes.

One row an entity. A patient is one Patient ID of one issuer; where the ID is empty, of one study,
so that no two people become one.

What the instances of a series say of their patient, study and series lies once for all that say
the same, in `shared_header`: from these the rows above the instances follow (`index.entities`).
"""

import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from peewee import (
    SQL,
    BigIntegerField,
    CompositeKey,
    Database,
    Field,
    ForeignKeyField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)

from storage.dicom.values import (
    PATIENT_IDENTITY,
    TABLE,
    UNIQUE,
    VIDEO_CLASSES,
    Attribute,
    Level,
    stored_at,
)
from storage.index.engines import Engine
from storage.index.engines.sqlite import EPOCH_TABLES, SUM_TABLES, SqliteEngine, connect
from storage.index.engines.sqlite import TABLE as MARK_TABLE
from storage.query import (
    NAME_PART_CHARACTERS,
    SQLITE,
    Dialect,
    kept_columns,
    match_columns,
)

TABLES = {
    Level.PATIENT: "patient",
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.IMAGE: "instance",
}

# What makes two rows of a level the same entity, beside their parent.
IDENTITY: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: (*PATIENT_IDENTITY, "of_study"),
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("SeriesInstanceUID",),
    Level.IMAGE: ("SOPInstanceUID",),
}

# What the index holds beside the attributes of the data set.
_EXTRA: dict[Level, dict[str, type[Field]]] = {
    Level.PATIENT: {"of_study": TextField},  # the study of a patient without an ID
    Level.IMAGE: {
        "TransferSyntaxUID": TextField,
        "file_bytes": BigIntegerField,
        "digest": TextField,  # of the data set, as it was received
        "charset": TextField,  # assumed for text that names no Specific Character Set
        "arrived": BigIntegerField,  # the time of the file, in nanoseconds since 1970
        "shared_id": IntegerField,  # its row of `shared_header`
        "sender": TextField,  # the calling AE title, by its receipt
        "received": BigIntegerField,  # the time of that, in milliseconds since 1970
    },
}

# Raised where values are folded or compared otherwise than before: rows of before do not answer.
_MATCHING = 4
# Raised, up to 127, where headers are read otherwise: rows are to be made anew, and those of before
# answer as they did until that is done.
_READING = 1
_READING_BITS = 7

# The levels whose rows have a name that is looked up by any part of it.
NAMED_LEVELS = tuple(level for level in Level if any(a.inside for a in stored_at(level)))
# Above the instances: the columns of `shared_header`, each a JSON object of column -> text.
SHARED = {level: TABLES[level] for level in (Level.PATIENT, Level.STUDY, Level.SERIES)}

# The tables whose rows an instance relies on that is entered: a change of one is told.
ABOVE = (*SHARED.values(), "shared_header")


@dataclass(frozen=True)
class Index:
    """The database and its models, one a level; `index[level]` is the table in queries.

    Its name in SQL is always the same, so that statements can be prepared: `prepared` keeps them.
    """

    engine: Engine
    models: dict[Level, Any]
    tables: dict[Level, Any]
    others: tuple[Any, ...]
    prepared: dict[Any, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """Of the engine, for the query builder."""
        return self.engine.database

    def __getitem__(self, level: Level) -> Any:
        return self.tables[level]

    def create(self) -> None:
        """Make the tables."""
        self.database.create_tables([*self.models.values(), *self.others])
        for statement in self.statements():
            self.database.execute_sql(statement)  # type: ignore[no-untyped-call]

    def statements(self) -> tuple[str, ...]:
        """What makes all that stands beside the models."""
        raise NotImplementedError

    def column_names(self, level: Level) -> tuple[str, ...]:
        """The columns of a level's table, without the row's id, its parent's and its speaker's."""
        return column_names(level, self.engine.dialect)


@dataclass(frozen=True)
class SqliteIndex(Index):
    """An index in a SQLite file: what makes it, brings it up to date and replaces it, asks that."""

    engine: SqliteEngine

    def statements(self) -> tuple[str, ...]:
        """What makes all that stands beside the models."""
        return (MARK_TABLE, *EPOCH_TABLES, *SUM_TABLES)


def open_index(path: Path, sync: bool, pooled: bool = False) -> SqliteIndex:
    """The index in the file at `path`; nothing is read or made yet.

    `pooled`: what a thread closes is kept for the next one. With `sync` a power cut may take the
    last commits, but not the order of them; without, it may take the file.
    """
    return build(connect(path, sync, pooled))


def build(database: SqliteDatabase) -> SqliteIndex:
    """The models of an index that lies in `database`."""
    engine = SqliteEngine(database, ABOVE)
    return SqliteIndex(engine, *built(database, engine.dialect))


def built(database: Database, dialect: Dialect) -> tuple[Any, ...]:
    """The models of an index, the tables in queries, and the other models."""
    models: dict[Level, Any] = {}
    parent: Any = None
    for level in Level:
        fields: dict[str, Any] = {}
        if parent is not None:
            # The unique index begins with it: one of its own would be written for nothing.
            fields["parent"] = ForeignKeyField(
                parent, backref="children", on_delete="RESTRICT", index=False
            )
        for attribute in stored_at(level):
            for name in columns_kept(attribute, dialect):
                is_indexed = dialect.calls_python and is_indexed_column(attribute, name)
                fields[name] = TextField(default="", index=is_indexed)
        for name, kind in _EXTRA.get(level, {}).items():
            fields[name] = kind(default="" if kind is TextField else 0)
        fields["several"] = IntegerField(default=0)
        if level is not Level.IMAGE:
            # Of `shared_header`: see `storage.index.entities`.
            fields["speaker"] = IntegerField(constraints=[SQL("DEFAULT 0")])
        unique = (*(("parent",) if parent is not None else ()), *IDENTITY[level])
        # A Patient ID may be longer than what PostgreSQL takes into an index.
        is_short = dialect.calls_python or level is not Level.PATIENT
        indexes = ((unique, True),) if is_short else ()
        meta = type(
            "Meta",
            (),
            {"database": database, "table_name": TABLES[level], "indexes": indexes},
        )
        parent = type(TABLES[level].capitalize(), (Model,), {"Meta": meta, **fields})
        # The rows in which an attribute of one value holds several: few, if any.
        parent.add_index(parent.index(parent.several, where=parent.several == 1))
        models[level] = parent
    image = models[Level.IMAGE]
    image.add_index(image.shared_id, image.arrived)
    image.add_index(image.arrived)
    image.add_index(image.sender, image.received)  # for the last one of each: see `counts`
    # For `counts.video_syntaxes`: of the other classes nobody asks.
    is_video = image.SOPClassUID.in_(VIDEO_CLASSES)
    image.add_index(image.SOPClassUID, image.TransferSyntaxUID, where=is_video)
    tables = {level: model.alias(TABLES[level]) for level, model in models.items()}
    return models, tables, (_name_part(database, dialect), _shared_header(database, models))


def _name_part(database: Database, dialect: Dialect) -> Any:
    """The parts of patients' names as the rows of a level have them, and these rows' ids."""
    meta = {
        "database": database,
        "table_name": "name_part",
        "primary_key": CompositeKey("level", "part", "entity"),
        "without_rowid": dialect.calls_python,
    }
    fields: dict[str, Any] = {
        "level": IntegerField(),
        "part": TextField(),
        "entity": IntegerField(),
        "Meta": type("Meta", (), meta),
    }
    return type("NamePart", (Model,), fields)


def _shared_header(database: Database, models: dict[Level, Any]) -> Any:
    """What instances of a series say alike; `corrected`: by a correction below the patient.

    `came`: the same as it came, where any of it was corrected: so an undone correction, too, takes
    no look into a file.
    """
    series = models[Level.SERIES]
    meta = {
        "database": database,
        "table_name": "shared_header",
        "indexes": ((("parent", "digest"), True),),
    }
    fields: dict[str, Any] = {
        "parent": ForeignKeyField(series, on_delete="RESTRICT", index=False),
        "digest": TextField(),
        "corrected": IntegerField(default=0),
        "came": TextField(default=""),
        **{column: TextField() for column in SHARED.values()},
    }
    return type("SharedHeader", (Model,), {**fields, "Meta": type("Meta", (), meta)})


def columns_of(model: Any, attribute: Attribute) -> tuple[Any, ...]:
    """The fields of `model` that matching on `attribute` looks at."""
    return tuple(getattr(model, name) for name in match_columns(attribute))


@lru_cache
def column_names(level: Level, dialect: Dialect = SQLITE) -> tuple[str, ...]:
    """The columns of a level's table, without the row's id, its parent's and its speaker's."""
    attributes = [name for a in stored_at(level) for name in columns_kept(a, dialect)]
    return (*attributes, *_EXTRA.get(level, {}), "several")


def signature() -> int:
    """A number that changes with the tables: kept in the index, to notice an older one."""
    parts = [f"{level.name}.{name}" for level in Level for name in column_names(level)]
    parts += [f"{level.name}:{names}" for level, names in IDENTITY.items()]
    parts += [f"{a.column} {a.indexed} {a.inside}" for a in TABLE]
    parts.append(f"name_part {NAME_PART_CHARACTERS} of {NAMED_LEVELS}")
    parts += ["shared_header", *SHARED.values(), "came"]
    parts += [MARK_TABLE, *EPOCH_TABLES, *SUM_TABLES, f"matching {_MATCHING}"]
    tables = zlib.crc32("\n".join(parts).encode()) & 0x7FFFFFFF
    return tables >> _READING_BITS << _READING_BITS | _READING


def can_answer(version: int) -> bool:
    """Whether an index of that signature has the tables of this version, rows of them or older."""
    return version >> _READING_BITS == signature() >> _READING_BITS


def columns_kept(attribute: Attribute, dialect: Dialect) -> tuple[str, ...]:
    """The columns of an attribute: its own, and what is matched."""
    kept = () if dialect.calls_python else kept_columns(attribute)
    return tuple(dict.fromkeys((attribute.column, *match_columns(attribute), *kept)))


def is_indexed_column(attribute: Attribute, column: str) -> bool:
    """Whether a key for the attribute is looked up in this column of its."""
    if attribute is UNIQUE[attribute.level]:
        return attribute.level is not Level.PATIENT  # the unique index begins with Patient ID
    return attribute.indexed and column in match_columns(attribute)
