"""Studies brought one after the other, and what is told of them."""

from typing import cast

import pytest

from scp.network.fetching import Fetch, Fetched, StudyPlan
from storage import Archive


class Bringing(Fetch):
    """Has nothing to bring of the study 2.1, and brings others at once."""

    def __init__(self) -> None:
        super().__init__(
            cast("Archive", None),
            lambda level, keys: iter(()),
            lambda note: pytest.fail("asked for instances"),
            lambda size: None,
            at_once=2,
        )

    def listed(self, plan: StudyPlan) -> Fetched | None:
        return Fetched(plan) if plan.uid == "2.1" else None

    def _bring(self, plan: StudyPlan) -> Fetched:
        return Fetched(plan)


def test_an_interruption_tells_what_came_of_the_studies_under_way() -> None:
    plans = [StudyPlan(uid, "P") for uid in ("1.1", "2.1", "3.1")]
    told = Bringing().run(plans, lambda words: None)
    assert next(told).plan.uid == "2.1"
    assert told.throw(KeyboardInterrupt()).plan.uid == "1.1"
    with pytest.raises(KeyboardInterrupt):
        next(told)
