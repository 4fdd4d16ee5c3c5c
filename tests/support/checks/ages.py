"""Instances that look as if they had come long ago."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

DAY = 86400.0


def make_old(data: Path, days: float, study: str = "") -> None:
    """Have the receipts of a study, or of all, be of so many days ago."""
    path = data / "journal" / "receipts.jsonl"
    at = datetime.fromtimestamp(time.time() - days * DAY, UTC).isoformat(timespec="milliseconds")
    lines = path.read_text().split("\n")
    changed = [
        re.sub(r'"at":"[^"]*"', f'"at":"{at}"', line) if f'["{study}' in line else line
        for line in lines
    ]
    assert changed != lines
    path.write_text("\n".join(changed))
