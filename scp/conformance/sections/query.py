"""What the statement says of queries and retrieves: PS3.2 N.5.2.7."""

from pydicom.tag import BaseTag
from pydicom.valuerep import STANDARD_VR

from scp.config import Service, Settings
from scp.conformance.writing import Section, StatementTable, code, name_of, table, yes
from scp.network.dimse import QUERY_RETRIEVE, SUPPORT, Status
from scp.network.scu import FEW
from storage.archive.finding import added_keys
from storage.diagnostics import ResourceError
from storage.dicom.data_sets import BULK_VRS
from storage.dicom.values import TABLE, UNIQUE, Attribute, Key, Level
from storage.journal import journal_of
from storage.query import (
    MAX_IDENTIFIER_BYTES,
    MAX_VALUES,
    NUMBER_VRS,
    RANGE_VRS,
    RULES,
    matches,
    rule_for,
    single_keys,
)

_KEYS = {
    Key.UNIQUE: "U",
    Key.REQUIRED: "R",
    Key.OPTIONAL: "O",
    Key.COUNTED: "O, computed, returned only",
    Key.LISTED: "O, computed",
}
# A key of each kind: which rule it is under depends on these and on the VR.
_PROBES = ("1", "", "A*")
_SEVERAL = "list of values"
_WITHOUT_LETTERS = NUMBER_VRS | RANGE_VRS | {"AT", "UI"}


def kinds(vr: str) -> list[str]:
    """The kinds of matching that a key of this VR can ask for (PS3.4 C.2.2.2)."""
    rules = dict.fromkeys(rule_for(vr, probe).name for probe in _PROBES)
    found = [kind for rule in RULES if rule.name in rules for kind in rule.kinds or (rule.name,)]
    if len(single_keys(vr, "1\\2")) > 1:
        found.append(_SEVERAL)
    return sorted(dict.fromkeys(found), key=lambda kind: kind != "single value")


def sections(settings: Settings) -> tuple[Section, ...]:
    """Query."""
    return (
        Section(3, "Query/Retrieve service"),
        Section(
            4,
            "Query/Retrieve information models",
            (table(("SOP class", "UID", "Service", "Levels"), _models()),),
        ),
        Section(4, "SCU of Query/Retrieve", ("Not supported.",)),
        Section(4, "SCP of C-FIND", _answers(settings)),
        *(_of_level(level) for level in Level),
        Section(
            5,
            "Other keys",
            (
                "Every other attribute is a key too, at any level, standard ones, private ones by "
                "their creator, and those in the items of sequences: it is matched, by the same "
                "rules, and returned from the stored header of the instance received last. Only "
                f"of VR {', '.join(sorted(BULK_VRS))} none is: such a key with a value has the "
                f"answers come with {code(Status.PENDING_KEYS_UNSUPPORTED)}.",
                _headers(settings),
                *_added(settings),
            ),
        ),
        Section(
            5,
            "Matching",
            (
                table(("Rule", "Clause", "What it does"),
                      ((rule.name, rule.clause, rule.sentence) for rule in RULES)),
                "By VR, for the keys above and all others. A list of values is an extension: it "
                f"finds any of them, of {MAX_VALUES} at most.",
                _by_vr(),
                "Of a sequence one item is matched as a whole (PS3.4 C.2.2.2.6). An attribute of "
                "several values matches where any of them does. Padding does not count. Text "
                "matches across character sets. A question mark stands for a letter of a name as "
                "it is written, and for one without accents. Dates such as 2019-06-17, and "
                "seconds of more than six decimals, are compared by what they mean.",
                "A key of Query/Retrieve View, Retrieve AE Title or Timezone Offset From UTC with "
                f"a value has the answers come with {code(Status.PENDING_KEYS_UNSUPPORTED)}: times "
                "are compared as they are stored. So has one of a group below 0008, which no data "
                "set holds (PS3.4 C.4.1.1.3); it is not answered. A private key without its "
                "creator is matched with the element of just its tag.",
            ),
        ),
        Section(
            5,
            "Extended negotiation",
            ("Answered as far as a requestor offers it (PS3.4 C.5):", _extended()),
        ),
    )  # fmt: skip


def _added(settings: Settings) -> tuple[str | StatementTable, ...]:
    """Those of the other keys that were added to the index."""
    try:
        added = added_keys.decided(journal_of(settings.storage.path, sync=False)).values()
    except ResourceError:  # whoever asks may not read the data folder
        return ("Of those that `minipacs index list` names the index holds the values.",)
    if not added:
        return ()
    rows = [
        (key.keyword, _tag(key.tag), key.vr, _KEYS[Key.OPTIONAL], ", ".join(kinds(key.vr)))
        for key in added
    ]
    return (
        "Of these the index holds the values; no header is read for them, once they are filled in.",
        table(("Attribute", "Tag", "VR", "Type", "Matching"), rows),
    )


def _tag(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _headers(settings: Settings) -> str:
    """How many stored headers are read, by [query]."""
    most = settings.query.most_headers
    if not most:
        return "Any number of stored headers is read for a query."
    return (
        f"Of a query {most} stored headers are read at most. Where other keys leave more entities, "
        f"it ends in {code(Status.OUT_OF_RESOURCES)}; unless no such key narrows the answers: then "
        "these come without such keys, with "
        f"{code(Status.PENDING_KEYS_UNSUPPORTED)} (PS3.4 C.2.2.1.3)."
    )


def _models() -> list[tuple[str, str, str, str]]:
    return [
        (name_of(uid), uid, f"C-{service.upper()}", ", ".join(level.name for level in root.value))
        for uid, (root, service) in QUERY_RETRIEVE.items()
    ]


def _answers(settings: Settings) -> tuple[str, ...]:
    limit = settings.limits.find_responses
    most = (
        f"A query that more than {limit} match ends in {code(Status.OUT_OF_RESOURCES)}."
        if limit
        else "The number of answers is not limited."
    )
    unique = ", ".join(one.keyword for level, one in UNIQUE.items() if level < Level.IMAGE)
    return (
        "Hierarchical, or relational where that is negotiated. A hierarchical query has a single "
        f"value for the unique key of each level above its own ({unique})"
        f"{_without_upper_keys(settings)}. Other keys that belong to another level "
        "take no part in it, and where they have a value the answers come with "
        f"{code(Status.PENDING_KEYS_UNSUPPORTED)}.",
        "In the Study Root model the attributes of the patient are keys at STUDY level.",
        f"Each entity is answered once, in no order. {most} An identifier may be of "
        f"{MAX_IDENTIFIER_BYTES} bytes.",
        "An answer has the keys that were asked for at its level and above, and unasked "
        "Query/Retrieve Level, Retrieve AE Title, the unique keys of the levels above, and "
        "Specific Character Set where its text needs one. Instance Availability is returned, "
        "where it is asked for, as ONLINE.",
        "Key types: U unique, R required, O optional.",
    )


def _without_upper_keys(settings: Settings) -> str:
    """What becomes of a query that lacks some, by [query]."""
    refused = f"it is answered {code(Status.DOES_NOT_MATCH_SOP_CLASS)}"
    if settings.query.hierarchy == "strict":
        return f", else {refused}"
    return (
        "; one that lacks some of these is answered as a relational one, if a key that is matched "
        f"has a value of more than wildcards, else {refused}. Level names may be in lower case, "
        "INSTANCE stands for IMAGE, and in the Study Root model PATIENT is taken too, and "
        "answered as in the Patient Root model "
        '([query] hierarchy = "lenient"; a peer may have its own)'
    )


def _of_level(level: Level) -> Section:
    rows = [
        (
            f"{attribute.sequence}>{attribute.keyword}".lstrip(">"),
            _tag(attribute.tag),
            attribute.vr,
            _KEYS[attribute.key],
            ", ".join(_matching(attribute)) or "-",
            _looked_up(attribute),
        )
        for attribute in TABLE
        if attribute.level is level
    ]
    headings = ("Attribute", "Tag", "VR", "Type", "Matching", "Looked up in")
    return Section(5, f"Keys at {level.name} level", (table(headings, rows),))


def _matching(attribute: Attribute) -> list[str]:
    return kinds(attribute.vr) if attribute.can_match else []


def _looked_up(attribute: Attribute) -> str:
    if not attribute.stored:
        return "the entities below"
    if attribute.sequence:
        return "stored headers"  # a key in an item is: see `Query.from_headers`
    return "an index" if attribute.indexed or attribute.key is Key.UNIQUE else "a column"


def _by_vr() -> StatementTable:
    rows = [
        (vr, ", ".join(kinds(vr)), "-" if vr in _WITHOUT_LETTERS else yes(_case_counts(vr)))
        for vr in sorted(set(map(str, STANDARD_VR)) - BULK_VRS - {"SQ"})
    ]
    return table(("VR", "Matching", "Case counts"), rows)


def _case_counts(vr: str) -> bool:
    return not matches(vr, "ABC", "abc")


def _extended() -> StatementTable:
    rows = [
        (f"C-{service.upper()}", number, name.replace("_", " "), yes(supported))
        for service in (Service.FIND, Service.MOVE, Service.GET)
        for number, (name, supported) in enumerate(SUPPORT[service], 1)
    ]
    return table(("Service", "Byte", "What", "Supported"), rows)


def retrieve_sections(settings: Settings) -> tuple[Section, ...]:
    """Retrieve."""
    without = "A relational retrieve may leave out the keys of the levels above."
    if settings.query.hierarchy == "lenient":
        without = (
            "The keys of the levels above may be left out, and levels be named, as by C-FIND; the "
            'key of its own level may not ([query] hierarchy = "lenient"; a peer may have its own).'
        )
    return (
        Section(
            4,
            "SCP of C-MOVE and C-GET",
            (
                "An identifier holds the unique keys of its level and of those above: single "
                "values, at the level of the retrieve a list of UIDs too (but not of Patient "
                "IDs); no wildcards, no universal matching. Other keys are ignored. "
                f"{without}",
                f"Pending responses come with every instance of up to {FEW}, else with the "
                f"first and every {FEW}th behind it, and at least once a second. An instance that "
                "cannot be sent has failed, and the others are sent. After a C-CANCEL what is "
                "under way still ends.",
                "Counts are those of instances, 65535 at most. Final responses with failures "
                "have the Failed SOP Instance UID List, in explicit VR as far as 65534 bytes go.",
            ),
        ),
        Section(
            5,
            "C-MOVE",
            (
                "The destination is a configured AE title; of any other, or of one without an "
                f"address, the answer is {code(Status.MOVE_DESTINATION_UNKNOWN)}. Its C-STORE "
                "requests name the Move Originator and its Message ID, and have the priority of "
                "the request. As many associations as are configured are used at once; one that "
                "is lost is opened once more.",
            ),
        ),
        Section(
            5,
            "C-GET",
            (
                "Instances go back over the requestor's association, of the SOP classes for which "
                "it was granted the role SCP. There uncompressed transfer syntaxes are accepted "
                "before others, but of video the one that most of the SOP class is held in.",
            ),
        ),
    )
