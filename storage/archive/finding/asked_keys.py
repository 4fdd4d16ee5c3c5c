"""For which keys headers were read, lately: so that it can be seen which to add to the index.

Lines in a file of the data folder, of bounded size; nothing else relies on it.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag

from storage.archive.finding.added_keys import may_be_added
from storage.journal import now, record_of

_NAME = "asked-keys.jsonl"
# Of the file that is written; what it held before is kept once.
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class AskedKey:
    """A key that could be added: by how many queries, for how many headers, and when at last."""

    keyword: str
    queries: int
    headers: int
    last: str


def note(data: Path, tags: Iterable[BaseTag], headers: int) -> None:
    """Note the keys of a query for which headers were read, if that can be written."""
    keywords = [keyword_for_tag(tag) for tag in tags if may_be_added(tag)]
    if not keywords:
        return
    line = json.dumps({"at": now(), "keys": keywords, "headers": headers}) + "\n"
    path = data / _NAME
    with suppress(OSError), path.open("ab", buffering=0) as file:
        file.write(line.encode())  # at once: others write too
        if file.tell() > _MOST_BYTES:
            os.replace(path, _before(path))


def asked_keys(data: Path) -> list[AskedKey]:
    """Those that were noted, as far as that can be read; that of the most headers first."""
    queries, headers, last = Counter[str](), Counter[str](), dict[str, str]()
    for record in _records(data / _NAME):
        for keyword in record["keys"]:
            queries[keyword] += 1
            headers[keyword] += record["headers"]
            last[keyword] = record["at"]
    most = headers.most_common()
    return [AskedKey(name, queries[name], count, last[name]) for name, count in most]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for one in (_before(path), path):
        with suppress(OSError):
            for line in one.read_bytes().splitlines():
                record = record_of(line) or {}
                known = (record.get(name) for name in ("keys", "headers", "at"))
                if [*map(type, known)] == [list, int, str]:
                    yield record


def _before(path: Path) -> Path:
    return path.with_suffix(".before.jsonl")
