"""What the statement says of worklist and performed steps: PS3.2 N.5.2.1 and N.5.2.2."""

from pydicom.datadict import keyword_for_tag

from scp.config import Settings
from scp.conformance.sections.query import kinds
from scp.conformance.writing import Section, StatementTable, code, table, value
from scp.network.dimse import Status
from storage.worklist import NEEDED, NOT_SET
from storage.worklist.entries import NOT_KEYS, TABLE, WorklistAttribute

_OFF = "Supported where `[worklist]` is configured, which it is not."


def sections(settings: Settings) -> tuple[Section, ...]:
    """Basic Worklist Management, and Modality Performed Procedure Step."""
    worklist = settings.worklist
    steps = Section(3, "Modality Performed Procedure Step service", (_OFF,))
    if worklist is None:
        return (Section(3, "Basic Worklist Management service", (_OFF,)), steps)
    own = (
        "A requestor that gives no station is answered the entries of its own AE title."
        if worklist.own_station
        else "A requestor that gives no station is answered the entries of all."
    )
    return (
        Section(3, "Basic Worklist Management service"),
        Section(4, "SCU of Modality Worklist", ("`minipacs worklist ask`, for people to look.",)),
        Section(
            4,
            "SCP of Modality Worklist",
            (
                "Entries are files of a folder, which are looked at with each query, and what is "
                "told by `minipacs worklist`. Answered are those in the states "
                f"{value(worklist.serve)}, until {worklist.keep} days behind their date. {own}",
                "An answer has the attributes that were asked for and no others, empty where an "
                "entry has none; a sequence without keys is answered whole. Answers come in the "
                "order of their date and time. Text is in no character set where ASCII does, in "
                "that of the query where it holds the answer, where that names none in the one "
                "configured for its peer, else in ISO_IR 192; for a peer of ISO_IR 6 accents are "
                "left out.",
                "Keys, and what is of each in an answer (PS3.4 table K.6-1). Every other standard "
                "attribute is a key too.",
                _keys(),
                "Keys of the step are matched within its item; of Scheduled Station AE Title any "
                "value. Where date and time are both ranges they are one period. Scheduled "
                "Procedure Step Status is what the entry's is by performed steps and by images "
                "that arrived. Keys of private attributes and of those that are never matched "
                f"have the answers come with {code(Status.PENDING_KEYS_UNSUPPORTED)}.",
            ),
        ),
        Section(3, "Modality Performed Procedure Step service"),
        Section(
            4,
            "SCP of Modality Performed Procedure Step",
            (
                "N-CREATE and N-SET are answered when what they say is on the disk. Each attribute "
                "of the data set is kept but for bulk data; an N-SET replaces sequences as a "
                "whole. When a step is created these are held to be there: "
                f"{', '.join(map(keyword_for_tag, NEEDED))}.{_lenient(worklist.lenient)}",
                "An N-SET must not have: "
                f"{', '.join(sorted(map(keyword_for_tag, NOT_SET)))}. That a final one lacks what "
                "PS3.4 table F.7.2-1 wants of it is told in the log.",
                "A step of which nothing was said, and no image came, for "
                f"{worklist.abandoned:g} hours is discontinued by the node.",
            ),
        ),
        Section(
            4,
            "SCP of Modality Performed Procedure Step Retrieve",
            ("N-GET answers what was said of a step, or those attributes of it that are named.",),
        ),
    )


def _lenient(is_lenient: bool) -> str:
    if not is_lenient:
        return ""
    return (
        " Where the entry can be told all the same, it is taken without them, with "
        f"{code(Status.ATTRIBUTE_LIST_ERROR)}."
    )


def _keys() -> StatementTable:
    rows = ((_name(a), a.vr, a.matching, a.returned, _matching(a)) for a in TABLE)
    return table(("Attribute", "VR", "Key", "Answer", "Matching"), rows)


def _name(attribute: WorklistAttribute) -> str:
    return f"{attribute.inside}/{attribute.keyword}".lstrip("/")


def _matching(attribute: WorklistAttribute) -> str:
    if attribute.tag in NOT_KEYS and not attribute.inside:
        return "-"
    return "sequence" if attribute.vr == "SQ" else ", ".join(kinds(attribute.vr))
