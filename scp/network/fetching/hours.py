"""The hours of a day in which a peer may be asked for much."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Hours:
    """From one time of the day to another, by the clock here; past midnight where it is earlier."""

    start: time
    end: time

    @classmethod
    def read(cls, text: str) -> "Hours":
        """Of a text such as 20:00-06:00. Raises ValueError."""
        found = _HOURS.fullmatch(text.strip())
        if not found:
            raise ValueError(f'takes hours such as 20:00-06:00, not "{text}"')
        first, last = (time(int(found[n]), int(found[n + 1])) for n in (1, 3))
        if first == last:
            raise ValueError(f"takes two times that differ, not {text}")
        return cls(first, last)

    def wait(self, now: datetime) -> timedelta:
        """How long it is until they begin; nothing within them."""
        clock = now.time()
        if self.start < self.end:
            is_within = self.start <= clock < self.end
        else:
            is_within = clock >= self.start or clock < self.end
        if is_within:
            return timedelta()
        begin = now.replace(hour=self.start.hour, minute=self.start.minute, second=0, microsecond=0)
        return begin - now if begin > now else begin + timedelta(days=1) - now

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
