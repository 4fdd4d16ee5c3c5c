"""What a line of the journal is: one JSON object, with the time of its writing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_json = json.JSONEncoder(separators=(",", ":")).encode


def line_of(record: Mapping[str, Any]) -> bytes:
    """A line, with the time, unless the record has that already."""
    text = _json({"at": record.get("at") or now(), **record})
    # Begins a line too: a full disk or a crash may have left the one before without its end.
    return f"\n{text}\n".encode()


def record_of(text: bytes) -> dict[str, Any] | None:
    """What a line says; None where it was cut short, or is none."""
    try:
        record = json.loads(text.decode())
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def now() -> str:
    """The time, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def milliseconds(text: str) -> int:
    """A time that a line tells, in milliseconds since 1970; 0 where it is none."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def time_told(milliseconds: int) -> str:
    """The same as a line tells it; empty of 0."""
    if not milliseconds:
        return ""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds")
