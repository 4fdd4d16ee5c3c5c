"""What `check` can find wrong: each kind with its sentence, and what is done about it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

_AGAIN = (
    "; send it again (unless on_conflict is replace, first take the file out of tree/ "
    "and run check --repair)"
)


class FaultKind(Enum):
    """A kind of fault: its name in JSON, its sentence, whether it can be mended as a rule."""

    LOST = "lost", "received once, and now neither in the tree nor in the index", True
    MISSING = "missing", "in the index, but not in the tree", True
    UNREADABLE = "unreadable", "cannot be read: {}", False
    RIGHTS = "rights", "{}", False
    NOT_PART10 = "not_part10", "{}", True
    HEADER = "header", "its header cannot be read: {}", True
    CUT_SHORT = "cut_short", "cut short: {}", False
    CHANGED = "changed", "not the bytes that were received{}" + _AGAIN, False
    TRANSFER_SYNTAX = "transfer_syntax", "in {}", True
    LENGTH = "length", "data set of {}", True
    PIXEL_DATA = "pixel_data", "damaged Pixel Data, kept as it came: {}", False
    ROW = "row", "its row in the index differs: {}", True
    NOT_INDEXED = "not_indexed", "not in the index", True
    MISPLACED = "misplaced", "its UIDs belong to {}", True
    WITHOUT_ROW = "without_row", "an object in the store that nothing tells of: {}", True
    STRANGE = "strange", "does not belong in tree/: {}", True
    EMPTY_FOLDER = "empty_folder", "an empty folder", True
    NO_CHILDREN = "no_children", "a row in the index without {}", True
    NO_PARENT = "no_parent", "a row in the index without its {}", True
    UIDS_DISAGREE = "uids_disagree", "{}", False
    PATIENTS_DISAGREE = "patients_disagree", "{}", False
    WORKLIST = "worklist", "a file of the worklist that is not taken: {}", False

    def __init__(self, code: str, sentence: str, repairable: bool) -> None:
        self.code = code
        self.sentence = sentence
        self.repairable = repairable


@dataclass(frozen=True)
class Fault:
    """One fault: of the file or folder at `path`, or of whom `uids` name, a patient by its ID."""

    kind: FaultKind
    path: str = ""
    uids: tuple[str, ...] = ()
    detail: str = ""
    repairable: bool = True  # as far as its kind is
    mended: bool = False
    done: str = ""  # what --repair did about it, or why it did nothing
    accepted: str = ""  # when a person took note of it

    @property
    def is_left(self) -> bool:
        """Whether something is still to be done about it."""
        return not self.mended and not self.accepted

    @property
    def can_be_mended(self) -> bool:
        """Whether --repair can do something about it."""
        return self.repairable and self.kind.repairable

    @property
    def sentence(self) -> str:
        """What is wrong, without where."""
        return self.kind.sentence.format(self.detail)

    def __str__(self) -> str:
        where = self.path or "/".join(self.uids)
        text = f"{where}: {self.sentence}" if where else self.sentence
        text = f"{text} -> {self.done}" if self.done else text
        return f"{text} (accepted {self.accepted})" if self.accepted else text

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return {
            "kind": self.kind.code,
            "path": self.path or None,
            "uids": list(self.uids),
            "detail": self.detail,
            "sentence": self.sentence,
            "repairable": self.can_be_mended,
            "mended": self.mended,
            "done": self.done,
            "accepted": self.accepted or None,
        }
