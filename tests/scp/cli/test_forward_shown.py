"""What `minipacs forward` and `minipacs stats` say of the last error of a destination."""

import pytest

from scp.cli.output.forwarding import last_error, last_errors
from storage.outbox import Standing

AT, SINCE = "2026-11-28T10:00:00+00:00", "2026-11-28T10:05:00+00:00"
SHOWN = {
    ("sending", ""): f"{AT}: cannot be reached",
    ("sending", SINCE): f"{AT}: cannot be reached (over: sent since {SINCE})",
    ("asking", ""): f"{AT}: cannot be reached",
    ("asking", SINCE): f"{AT}: cannot be reached (over: asked since {SINCE})",
}


@pytest.mark.parametrize("given", SHOWN, ids=" ".join)
def test_an_error_that_is_over_is_shown_as_over(given: tuple[str, str]) -> None:
    kind, since = given
    one = Standing(last_error="cannot be reached", last_error_at=AT, last_error_in=kind,
                   last_error_over_since=since)  # fmt: skip
    assert last_error(one) == SHOWN[given]
    (line,) = last_errors({"WARD": one, "BIG": Standing()})
    assert line.startswith("WARD: 2026-11-28 ")
    assert ("(over: " in line) == bool(since)
