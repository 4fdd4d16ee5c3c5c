"""Fill an index with the made-up archive, through the archive's own tables and rows."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib import bench_corpus as corpus

from storage import Level
from storage.dicom.instance_header import Header
from storage.dicom.values.attributes import BY_KEYWORD, stored_at
from storage.files.tree import Tree
from storage.index.engines.sqlite.database import connect
from storage.index.rows import insert_statement, name_parts, row_of, shared_header
from storage.index.tables import NAMED_LEVELS, SHARED, column_names, signature
from storage.maintenance.recovery.startup import new_index
from storage.query.rules import folded, match_columns

_EMPTY = {a.column: "" for level in Level for a in stored_at(level)}
# What the index holds of a file; the digest of each is another.
_OF_FILE = {
    "TransferSyntaxUID": "1.2.840.10008.1.2.1",
    "file_bytes": 525_000,
    "charset": "ISO_IR 100",
    "sender": "BENCH",
    "received": 0,
}
_FILL_CACHE_KIB = 500_000
_NOTE, _UNFINISHED = "made by bench-find", "unfinished"


class NotOursError(Exception):
    """The folder holds something that the benchmark did not make."""


def filled(folder: Path, studies: int, is_thin: bool = False) -> Path:
    """The data folder of an archive of so many studies, in `folder`: made, if it is not there.

    `is_thin`: of an image a series. Raises NotOursError rather than touch an index that someone
    else made; FolderError, OSError and PeeweeException or sqlite3.Error where it cannot be made.
    """
    data = folder / f"{studies}-{'thin-' * is_thin}studies"
    note = data / _NOTE
    if not data.exists():
        data.mkdir(parents=True)
        note.write_text(_UNFINISHED)
    if not note.exists():
        raise NotOursError(f"{data} is there, and not made by bench-find")
    wanted = f"{corpus.VERSION} {signature()}"
    if note.read_text() == wanted:
        return data
    path = data / "index.sqlite"
    Tree(data, sync=False).prepare()  # from here on nobody else is at work in the folder
    note.write_text(_UNFINISHED)
    new_index(path, is_whole=True)
    database = connect(path, sync=False)
    with database.connection_context():
        connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]
        # What is unfinished is made anew: no journal, which would be as large as the index.
        connection.execute("PRAGMA journal_mode = OFF").fetchall()
        connection.execute(f"PRAGMA cache_size = -{_FILL_CACHE_KIB}")
        with database.atomic():
            _fill(connection, studies, is_thin)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    note.write_text(wanted)
    return data


def copied(data: Path, to: Path) -> None:
    """Copy index and journal of an archive that nobody writes, and none of its files.

    Raises OSError, sqlite3.Error.
    """
    to.mkdir()
    with closing(_opened(data)) as held, closing(sqlite3.connect(to / "index.sqlite")) as copy:
        held.backup(copy)
        copy.execute("PRAGMA journal_mode = WAL")
    if (data / "settled").exists():
        shutil.copy2(data / "settled", to)
    if (data / "journal").exists():
        seconds = shutil.ignore_patterns("*.link")  # the names of files that have another
        shutil.copytree(data / "journal", to / "journal", ignore=seconds)


def instances_in(folder: Path) -> int:
    """How many instances an archive of `bench-decade` holds. Raises sqlite3.Error."""
    with closing(_opened(folder / "data")) as held:
        return int(held.execute("SELECT COUNT(*) FROM instance").fetchone()[0])


def _opened(data: Path) -> sqlite3.Connection:
    path = (data / "index.sqlite").resolve()
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def _fill(connection: sqlite3.Connection, studies: int, is_thin: bool) -> None:
    known: dict[str, int] = {}  # Patient ID -> row
    statement = insert_statement(Level.IMAGE).removesuffix(" RETURNING id")
    for number in range(studies):
        study = corpus.study(number)
        texts = _EMPTY | study.patient | study.texts
        patient = study.patient["PatientID"]
        if patient not in known:
            known[patient] = _insert(connection, Level.PATIENT, texts, None)
        parent = _insert(connection, Level.STUDY, texts, known[patient])
        for place, images in enumerate(study.images):
            in_series = corpus.series(study, place)
            of_series = texts | in_series
            row_id = _insert(connection, Level.SERIES, of_series, parent)
            shared = _share(connection, of_series, row_id)
            count = 1 if is_thin else images
            connection.executemany(statement, _images(of_series, count, row_id, shared))


def _insert(
    connection: sqlite3.Connection, level: Level, texts: dict[str, str], parent: int | None
) -> int:
    row = row_of(level, Header(texts))
    values = [row[name] for name in column_names(level)]
    if parent is not None:
        values.insert(0, parent)
    (found,) = connection.execute(insert_statement(level), values).fetchall()
    number = int(found[0])
    if level in NAMED_LEVELS:
        parts = [(int(level), part, number) for part in name_parts(level, row)]
        connection.executemany("INSERT INTO name_part VALUES (?, ?, ?)", parts)
    return number


def _share(connection: sqlite3.Connection, texts: dict[str, str], series: int) -> int:
    """Enter what all images of a series say alike; the row's id."""
    said = shared_header(Header(texts))
    columns = ", ".join(SHARED.values())
    statement = (
        f"INSERT INTO shared_header (parent_id, digest, corrected, came, {columns}) "
        "VALUES (?, ?, 0, '', ?, ?, ?) RETURNING id"
    )
    (found,) = connection.execute(statement, (series, said.digest, *said.texts)).fetchall()
    return int(found[0])


def _images(
    in_series: dict[str, str], images: int, parent: int, shared: int
) -> Iterator[tuple[Any, ...]]:
    """The rows of a series' images; what they have in common is made once."""
    names = column_names(Level.IMAGE)
    first = Header(in_series | corpus.image(in_series, 0))
    row = row_of(Level.IMAGE, first) | _OF_FILE | {"shared_id": shared}
    for number in range(images):
        row["arrived"] = (parent << 20) + number
        row["digest"] = f"{parent:032x}{number:032x}"
        for keyword, text in corpus.image(in_series, number).items():
            row[keyword] = text
            row.update(_folded(keyword, text))
        yield (parent, *(row[name] for name in names))


@lru_cache(maxsize=2 * corpus.LONG_SERIES)
def _folded(keyword: str, text: str) -> tuple[tuple[str, str], ...]:
    attribute = BY_KEYWORD[keyword]
    return tuple(zip(match_columns(attribute), folded(attribute, text), strict=True))
