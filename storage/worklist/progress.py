"""What became of an entry, by the strength of what tells of it: pure.

Performed procedure steps, where a modality sends them; else images that arrive, and none more for
a while; else nothing for a day. What a person or an order decided counts until something newer
tells of work.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Of an entry: PS3.3 C.4.10, and what archives add."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELLED = "CANCELLED"
    DEPARTED = "DEPARTED"


ENDED = frozenset({State.COMPLETED, State.DISCONTINUED, State.CANCELLED, State.DEPARTED})
IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"


class By(StrEnum):
    """What tells a state."""

    ORDER = "order"
    STEP = "mpps"
    IMAGES = "images"
    ABANDONED = "abandoned"
    COMMAND = "command"
    HL7 = "hl7"


@dataclass(frozen=True)
class Performed:
    """A performed procedure step that names the entry; `changed` in seconds since 1970."""

    uid: str
    status: str
    changed: float


@dataclass(frozen=True)
class Arrivals:
    """Instances of the entry's study that are held: times in seconds since 1970."""

    study_uid: str
    patient_id: str
    patient_name: str
    first: float
    last: float
    instances: int


@dataclass(frozen=True)
class Decision:
    """A state that was set, by whom, when, in seconds since 1970."""

    state: State
    by: By
    at: float


@dataclass(frozen=True)
class Evidence:
    """All that tells of an entry; `ordered` is the status that it came with."""

    ordered: str = ""
    decided: Decision | None = None
    performed: tuple[Performed, ...] = ()
    arrived: Arrivals | None = None


@dataclass(frozen=True)
class Rules:
    """`quiet`: seconds without an image, then it is done; `abandoned`: without a word, then not."""

    quiet: float = 300.0
    abandoned: float = 86400.0


@dataclass(frozen=True)
class Standing:
    """A state, what tells it, and since when in seconds since 1970; 0: as it was ordered."""

    state: State
    by: By
    since: float = 0.0


def standing(evidence: Evidence, rules: Rules, now: float) -> Standing:
    """The state of an entry."""
    told = _of_steps(evidence, rules, now) or _of_images(evidence, rules, now)
    decided = evidence.decided
    if decided and _counts(decided, told):
        return Standing(decided.state, decided.by, decided.at)
    if told:
        return told
    ordered = evidence.ordered
    return Standing(State(ordered) if ordered in State.__members__ else State.SCHEDULED, By.ORDER)


def _counts(decided: Decision, told: Standing | None) -> bool:
    """Whether a decision stands against what modality and images tell."""
    if told is None:
        return True
    if decided.state not in ENDED:  # that it has arrived says nothing of what came then
        return False
    if decided.by is By.IMAGES:  # a further image does not begin it anew, a modality's word does
        return told.by is By.IMAGES
    return decided.at >= told.since


def _of_steps(evidence: Evidence, rules: Rules, now: float) -> Standing | None:
    """What performed procedure steps tell: of several one that goes on, else one that was done."""
    found = [_of_step(one, evidence, rules, now) for one in evidence.performed]
    for state in (State.STARTED, State.COMPLETED, State.DISCONTINUED):
        of_state = [one for one in found if one.state is state]
        if of_state:
            return max(of_state, key=lambda one: one.since)
    return None


def _of_step(one: Performed, evidence: Evidence, rules: Rules, now: float) -> Standing:
    if one.status == COMPLETED:
        return Standing(State.COMPLETED, By.STEP, one.changed)
    if one.status == DISCONTINUED:
        return Standing(State.DISCONTINUED, By.STEP, one.changed)
    if is_abandoned(one.changed, evidence.arrived, rules, now):
        return Standing(State.DISCONTINUED, By.ABANDONED, one.changed + rules.abandoned)
    return Standing(State.STARTED, By.STEP, one.changed)


def is_abandoned(changed: float, arrived: Arrivals | None, rules: Rules, now: float) -> bool:
    """Whether a step that is in progress has had no word for too long (PS3.4 F.7.2.2.3 note 2).

    An image is one.
    """
    last = max(changed, arrived.last) if arrived else changed
    return now - last >= rules.abandoned


def _of_images(evidence: Evidence, rules: Rules, now: float) -> Standing | None:
    arrived = evidence.arrived
    if arrived is None:
        return None
    if now - arrived.last >= rules.quiet:
        return Standing(State.COMPLETED, By.IMAGES, arrived.last)
    return Standing(State.STARTED, By.IMAGES, arrived.first)
