"""What modalities have asked last: for who wonders why one shows nothing."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from storage.worklist.query import WorklistQuery

_OF_EACH = 5
_OF_ALL = 1000
_MOST_CHARACTERS = 64 * 1024


@dataclass(frozen=True)
class Question:
    """A query of a modality, when it came, in milliseconds since 1970, and how it was answered."""

    peer: str
    address: str
    query: WorklistQuery
    answers: int
    at: int = 0


def note(db: sqlite3.Connection, question: Question) -> None:
    """Keep one, and of each peer the last few."""
    keys = json.dumps({"keys": question.query.as_json(), "station": question.query.station})
    if len(keys) > _MOST_CHARACTERS:
        return
    values = (question.peer, question.address, int(time.time() * 1000), question.answers, keys)
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "INSERT INTO question (peer, address, at, answers, keys) VALUES (?, ?, ?, ?, ?)", values
    )
    db.execute(
        "DELETE FROM question WHERE peer = ? AND id NOT IN (SELECT id FROM question "
        "WHERE peer = ? ORDER BY id DESC LIMIT ?)", (question.peer, question.peer, _OF_EACH),
    )  # fmt: skip
    db.execute("DELETE FROM question WHERE id <= (SELECT MAX(id) FROM question) - ?", (_OF_ALL,))
    db.execute("COMMIT")


def of(db: sqlite3.Connection, peer: str) -> list[Question]:
    """The last ones of a peer, the newest first."""
    rows = db.execute(
        "SELECT peer, address, at, answers, keys FROM question WHERE peer = ? ORDER BY id DESC",
        (peer,),
    ).fetchall()
    return [_question(*row) for row in rows]


def _question(peer: str, address: str, at: int, answers: int, keys: str) -> Question:
    told: dict[str, Any] = json.loads(keys)
    query = WorklistQuery.from_json(told["keys"])
    if told["station"]:
        query = query.for_station(told["station"])
    return Question(peer, address, query, answers, at)
