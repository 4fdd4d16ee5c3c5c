"""What came from whom: the journal's usual lines are read by a pattern, to the same as by JSON."""

import json
from pathlib import Path

import pytest

from storage.archive import totals
from storage.journal import RECEIPTS, Journal, record_of
from storage.journal.segments import reader

DIGEST = "0123456789abcdef" * 4


def receipt(**others: object) -> dict[str, object]:
    """A receipt, with its keys in the order in which they are written."""
    usual = {
        "at": "2026-11-28T22:12:23.278+00:00", "uids": ["1.1", "1.2", "1.3"],
        "syntax": "1.2.840.10008.1.2.1", "bytes": 642, "digest": DIGEST, "sender": "MODALITY",
        "charset": "",
    }  # fmt: skip
    return usual | others


def line(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


LINES = [
    line(receipt()),
    line(receipt(charset="\\ISO 2022 IR 87")),
    line(receipt(charset='"')),
    line(receipt(sender='A "quoted" \\ one')),
    line(receipt(sender='","withdrawn":true,"x":"')),
    line(receipt(sender="ÄÖ")),
    line(receipt(sender="")),
    line(receipt(uids=["", "x", 'y"'])),
    line(receipt(later="key")),
    line(receipt(withdrawn=False)),
    line(receipt(digest="f" * 64)),
    line(receipt(digest="short")),
    line(receipt(digest="")),
    line(receipt(digest="G" * 64)),
    line(dict(reversed(receipt().items()))),
    line({"at": "2026-11-28", "uids": ["1", "2", "3"], "digest": DIGEST, "withdrawn": True}),
    line({"at": "2026-11-28", "uids": ["1", "2", "3"], "withdrawn": True, "deleted": True}),
    json.dumps(receipt()).encode(),
    line(receipt())[:-1],
    line(receipt())[40:],
    line(receipt()) + line(receipt()),
    line(receipt()).replace(b"MODALITY", b"MOD\0LITY"),
    line(receipt()).replace(b"MODALITY", b"MOD\xffLITY"),
    line(receipt()).replace(b"MODALITY", b"M\xc3\x84"),
    bytes(300),
    b"[]",
    b"{}",
]


def by_json(block: bytes) -> list[tuple[str, str, str]]:
    """The same, each line for itself."""
    records = [record_of(text) or {} for text in block.split(b"\n")]
    return [
        (str(one["at"]), str(one["digest"])[:16], str(one["sender"]))
        for one in records
        if not one.get("withdrawn")
        and len(str(one.get("digest", ""))) == 64
        and set(str(one["digest"])) <= set("0123456789abcdef")
    ]


@pytest.mark.parametrize("end", [b"\n", b""], ids=["whole", "cut"])
@pytest.mark.parametrize("first", range(len(LINES)))
def test_lines_say_what_they_say_as_json(first: int, end: bytes) -> None:
    turned = [*LINES[first:], *LINES[:first]]
    for block in (b"\n".join(b"\n" + one for one in turned) + end, b"\n".join(turned) + end):
        assert list(totals._arrivals(block)) == by_json(block)


def test_blocks_are_all_lines_of_all_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 700)
    monkeypatch.setattr(reader, "_BLOCK_BYTES", 100)
    journal = Journal(tmp_path, sync=False)
    assert list(journal.blocks(RECEIPTS)) == []
    for number in range(40):
        journal.append(RECEIPTS, number=number, text="x" * number)
    blocks = list(journal.blocks(RECEIPTS))
    journal.close()
    assert len(blocks) > 10
    assert all(block.endswith(b"\n") for block in blocks)
    records = [record_of(text) for block in blocks for text in block.split(b"\n") if text]
    assert [one["number"] for one in records if one] == [*range(40)]
