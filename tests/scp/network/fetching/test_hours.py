"""The hours in which a peer may be asked for much."""

from datetime import datetime, timedelta

import pytest

from scp.network.fetching import Hours


@pytest.mark.parametrize(("hours", "clock", "minutes"), [
    ("20:00-06:00", "20:00", 0), ("20:00-06:00", "05:59", 0), ("20:00-06:00", "06:00", 14 * 60),
    ("20:00-06:00", "19:59", 1), ("08:00-09:00", "08:30", 0), ("08:00-09:00", "09:00", 23 * 60),
    ("8:00-9:00", "07:00", 60), ("00:00-12:00", "23:59", 1),
])  # fmt: skip
def test_what_is_outside_of_the_hours_waits_for_their_begin(
    hours: str, clock: str, minutes: int
) -> None:
    now = datetime.fromisoformat(f"2026-01-31T{clock}")
    assert Hours.read(hours).wait(now) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "20:00", "24:00-06:00", "20:60-06:00", "20-06", "6:00-06:00"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="takes"):
        Hours.read(text)
