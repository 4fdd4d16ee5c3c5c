"""The worklist: what is to be done, what is being done and what became of it (PS3.4 F, K)."""

from storage.worklist.following import Followed, Follower
from storage.worklist.performed import (
    NEEDED,
    NOT_SET,
    StepError,
    StepFault,
    instances,
    is_final,
    step_status,
    studies_of,
)
from storage.worklist.progress import By, Rules, State
from storage.worklist.query import STATUS, WorklistQuery
from storage.worklist.questions import Question
from storage.worklist.table import line_put, line_removed
from storage.worklist.worklist import EVER, Known, Worklist, day_before

__all__ = [
    "EVER",
    "NEEDED",
    "NOT_SET",
    "STATUS",
    "By",
    "Followed",
    "Follower",
    "Known",
    "Question",
    "Rules",
    "State",
    "StepError",
    "StepFault",
    "Worklist",
    "WorklistQuery",
    "day_before",
    "instances",
    "is_final",
    "line_put",
    "line_removed",
    "step_status",
    "studies_of",
]
