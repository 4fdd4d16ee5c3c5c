"""What the statement says of queries."""

from scp.conformance.document import Section, Table, table
from scp.conformance.names import statuses, syntaxes
from scp.contexts import UNCOMPRESSED_SYNTAXES
from scp.extended import SUPPORT
from scp.settings import Service, Settings
from storage.attributes import TABLE, Attribute, Key, Level
from storage.matching import RULES, rule_for

_KEYS = {
    Key.UNIQUE: "unique",
    Key.REQUIRED: "required",
    Key.OPTIONAL: "optional",
    Key.COUNTED: "optional, computed, not matched",
    Key.LISTED: "optional, computed",
}
# A key of each kind: which rule it is under depends on the VR alone.
_PROBES = ("", "1", "A*")


def matching_types(attribute: Attribute) -> list[str]:
    """The kinds of matching that a key for an attribute can ask for."""
    if not attribute.can_match:
        return []
    names = {rule_for(attribute.vr, probe).name for probe in _PROBES}
    return [rule.name for rule in RULES if rule.name in names]


def sections(settings: Settings) -> tuple[Section, ...]:
    """Query."""
    limit = settings.limits.find_responses
    most = f"after {limit} answers it ends in A700" if limit else "the answers are not limited"
    return (
        Section(
            2,
            "Query",
            (
                "As SCP, hierarchical unless relational queries are negotiated. In the Study Root "
                "model the attributes of the patient are keys at STUDY level. Entities are "
                f"answered once each, in no order; {most}.",
                "An answer has, beside the keys asked for, Query/Retrieve Level, Retrieve AE "
                "Title, the unique keys of the levels above, and Specific Character Set where its "
                "text needs one; Instance Availability where it is asked for.",
                syntaxes(UNCOMPRESSED_SYNTAXES),
            ),
        ),
        *(_of_level(level) for level in Level),
        Section(
            3,
            "Other keys",
            (
                "Every other attribute is a key as well, private ones and those inside of "
                "sequences too: it is matched and answered from the stored header of the instance "
                "received last. Bulk data is neither matched nor answered: FF01.",
            ),
        ),
        Section(
            3,
            "Matching",
            (table(("Kind", "Clause", "What it does"),
                   ((rule.name, rule.clause, rule.sentence) for rule in RULES)),),
        ),
        Section(
            3,
            "Extensions",
            (
                "Names match whatever their case and accents, in any component group. A time of "
                "less precision stands for its whole span. Numbers match by value. A key of "
                "several values finds any of them. Text matches across character sets.",
            ),
        ),
        Section(3, "Extended negotiation", (_extended(),)),
        Section(3, "Statuses of C-FIND", (statuses(Service.FIND),)),
    )  # fmt: skip


def _of_level(level: Level) -> Section:
    rows = [
        (
            f"{attribute.sequence}>{attribute.keyword}".lstrip(">"),
            f"({attribute.tag.group:04X},{attribute.tag.element:04X})",
            attribute.vr,
            _KEYS[attribute.key],
            ", ".join(matching_types(attribute)) or "-",
        )
        for attribute in TABLE
        if attribute.level is level
    ]
    headings = ("Attribute", "Tag", "VR", "Key", "Matching")
    return Section(3, f"Keys at {level.name} level", (table(headings, rows),))


def _extended() -> Table:
    rows = [
        (f"C-{service.upper()}", number, name.replace("_", " "), "yes" if supported else "no")
        for service, items in SUPPORT.items()
        for number, (name, supported) in enumerate(items, 1)
    ]
    return table(("Service", "Byte", "What", "Supported"), rows)
