"""Receipts of some instances, found by the text of their lines: the same as by decoding all."""

import json
from pathlib import Path
from typing import Any

from storage.journal import RECEIPTS, FolderJournal
from storage.journal.receipts import in_journal

USUAL = {
    "at": "2026-11-28T22:12:23.278+00:00", "uids": ["1.1", "1.2", "1.3"], "syntax": "1.2.840.1",
    "bytes": 642, "digest": "0" * 64, "sender": "MODALITY", "charset": "",
}  # fmt: skip
OTHER = USUAL | {"uids": ["1.1", "1.2", "1.4"]}
WITHDRAWN = {"at": "2026-11-28", "uids": ["1.1", "1.2", "1.3"], "withdrawn": True}


def line(record: dict[str, Any], spaces: bool = False) -> bytes:
    return json.dumps(record, separators=None if spaces else (",", ":")).encode()


LINES = [
    line(USUAL),
    line(OTHER),
    line(USUAL | {"sender": '"uids":["1.1","1.2","1.4"]'}),
    line(OTHER | {"sender": '\\"uids":["1.1","1.2","1.3"]', "charset": '"'}),
    line(dict(reversed(USUAL.items()))),
    line(dict(reversed(OTHER.items()))),
    line(USUAL, spaces=True),
    line(OTHER, spaces=True),
    line(USUAL).replace(b'"1.3"', b'"1.\\u0033"'),
    line(OTHER).replace(b'"1.4"', b'"1.\\u0033"'),
    line(USUAL | {"uids": ['1"', '"uids":["9","9","9"]', "1.3"]}),
    line(WITHDRAWN),
    line(WITHDRAWN | {"uids": ["1.1", "1.2", "1.4"], "deleted": True}),
    line(USUAL)[:-30],
    b"[]",
    bytes(40),
    b"\xff\xfe",
]


def test_those_of_some_instances_are_all_that_there_are(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path, sync=False)
    journal.append(RECEIPTS, **USUAL)
    with (journal.folder / "receipts.jsonl").open("ab") as file:
        file.write(b"".join(b"\n" + one + b"\n" for one in LINES))
    every = list(in_journal(journal))
    assert len(every) > len(LINES) / 2
    for instance in ("1.3", "1.4", "1.5"):
        wanted = [one for one in every if one[0][2] == instance]
        found = list(in_journal(journal, wanted={instance}))
        assert [one for one in found if one[0][2] == instance] == wanted
        assert len(found) <= len(wanted) + 6  # what is written otherwise is decoded
    assert list(in_journal(journal, wanted={"1.3", "1.4"})) == every
