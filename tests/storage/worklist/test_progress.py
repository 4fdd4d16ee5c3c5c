"""What became of an entry, by what tells of it: pure."""

import pytest

from storage.worklist.progress import (
    Arrivals,
    By,
    Decision,
    Evidence,
    Performed,
    Rules,
    State,
    standing,
)

NOW = 1_000_000.0
RULES = Rules(quiet=300, abandoned=86400)
HOUR = 3600.0


def images(first: float, last: float) -> Arrivals:
    return Arrivals("1.2.3", "P1", "Doe^Jane", NOW - first, NOW - last, 3)


def step(status: str, ago: float) -> Performed:
    return Performed(f"1.2.{ago:.0f}", status, NOW - ago)


def decided(state: State, ago: float, by: By = By.COMMAND) -> Decision:
    return Decision(state, by, NOW - ago)


GOES_ON, DONE, BROKEN_OFF = "IN PROGRESS", "COMPLETED", "DISCONTINUED"

CASES = [
    ("nothing tells of it", Evidence(), State.SCHEDULED, By.ORDER),
    ("it came as arrived", Evidence("ARRIVED"), State.ARRIVED, By.ORDER),
    ("it came as something that is no state", Evidence("SOON"), State.SCHEDULED, By.ORDER),
    ("a step was begun", Evidence(performed=(step(GOES_ON, 60),)), State.STARTED, By.STEP),
    ("it was completed", Evidence(performed=(step(DONE, 60),)), State.COMPLETED, By.STEP),
    ("it was broken off", Evidence(performed=(step(BROKEN_OFF, 60),)), State.DISCONTINUED, By.STEP),
    ("broken off, and begun again", Evidence(performed=(step(BROKEN_OFF, 60), step(GOES_ON, 9))),
     State.STARTED, By.STEP),
    ("broken off, and done in a second step",
     Evidence(performed=(step(BROKEN_OFF, 60), step(DONE, 9))), State.COMPLETED, By.STEP),
    ("one of two is done, the other goes on",
     Evidence(performed=(step(DONE, 9), step(GOES_ON, 60))), State.STARTED, By.STEP),
    ("no word for a day", Evidence(performed=(step(GOES_ON, 25 * HOUR),)),
     State.DISCONTINUED, By.ABANDONED),
    ("no word for a day, but images came",
     Evidence(performed=(step(GOES_ON, 25 * HOUR),), arrived=images(26 * HOUR, 60)),
     State.STARTED, By.STEP),
    ("images come", Evidence(arrived=images(100, 10)), State.STARTED, By.IMAGES),
    ("images came, and no more", Evidence(arrived=images(900, 300)), State.COMPLETED, By.IMAGES),
    ("images never complete what steps tell",
     Evidence(performed=(step(GOES_ON, 900),), arrived=images(800, 700)), State.STARTED, By.STEP),
    ("it was cancelled", Evidence(decided=decided(State.CANCELLED, 60)),
     State.CANCELLED, By.COMMAND),
    ("cancelled, and begun all the same",
     Evidence(decided=decided(State.CANCELLED, 60), performed=(step(GOES_ON, 9),)),
     State.STARTED, By.STEP),
    ("begun, and cancelled then",
     Evidence(decided=decided(State.CANCELLED, 9), performed=(step(GOES_ON, 60),)),
     State.CANCELLED, By.COMMAND),
    ("completed by a person while images come",
     Evidence(decided=decided(State.COMPLETED, 9), arrived=images(60, 5)),
     State.COMPLETED, By.COMMAND),
    ("that the patient arrived is old news once images come",
     Evidence(decided=decided(State.ARRIVED, 5, By.HL7), arrived=images(60, 9)),
     State.STARTED, By.IMAGES),
    ("completed by images, and a further one comes",
     Evidence(decided=decided(State.COMPLETED, 60, By.IMAGES), arrived=images(900, 5)),
     State.COMPLETED, By.IMAGES),
    ("completed by images, and its modality begins a step",
     Evidence(decided=decided(State.COMPLETED, 60, By.IMAGES), performed=(step(GOES_ON, 5),)),
     State.STARTED, By.STEP),
    ("completed by images that are deleted by now",
     Evidence(decided=decided(State.COMPLETED, 60, By.IMAGES)), State.COMPLETED, By.IMAGES),
]  # fmt: skip


@pytest.mark.parametrize(("evidence", "state", "by"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_state_of_an_entry(evidence: Evidence, state: State, by: By) -> None:
    found = standing(evidence, RULES, NOW)
    assert (found.state, found.by) == (state, by)
