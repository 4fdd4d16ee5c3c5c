"""Keys that belong together: a date and its time, and those in the item of a sequence."""

from collections.abc import Iterator, Sequence

from storage.dicom.values import IN_SEQUENCE, Attribute, Key, are_uids
from storage.query.identifier import Query
from storage.query.ranges import range_form

# A date and the time that goes with it (PS3.4 C.2.2.2.5.4).
_PAIRS = {
    date: date.removesuffix("Date") + "Time"
    for date in (
        "PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate",
        "PerformedProcedureStepStartDate",
    )
}  # fmt: skip


def combined_pairs(attributes: Sequence[Attribute], query: Query) -> dict[str, Attribute | None]:
    """The dates that are matched with their times: date -> time, and time -> None.

    As one moment, where that was negotiated.
    """
    if not query.options.date_time:
        return {}
    asked = {a.keyword: a for a in attributes}
    pairs: dict[str, Attribute | None] = {}
    for date, time in _PAIRS.items():
        if date in asked and time in asked:
            form = range_form(query.text(asked[date]))
            if form and form == range_form(query.text(asked[time])):
                pairs |= {date: asked[time], time: None}
    return pairs


def one_uid_each(query: Query) -> list[Attribute]:
    """The keys that narrow a query where each is one UID of an entity; none where others do."""
    if query.options.relational or any(key.items for key in query.keys.values()):
        return []
    named = [attribute for attribute in query.matched if query.text(attribute)]
    is_plain = all(a.key is Key.UNIQUE and a.vr == "UI" for a in named)
    return named if is_plain and are_uids(map(query.text, named)) else []


def keys_in_items(query: Query) -> Iterator[tuple[Attribute, str]]:
    """The keys in items of sequences for which the query's level has columns, and what they ask."""
    for tag in IN_SEQUENCE.keys() & query.keys.keys():
        item = (query.keys[tag].items or ({},))[0]
        for attribute in IN_SEQUENCE[tag]:
            key = item[attribute.tag].text if attribute.tag in item else ""
            is_empty = query.options.empty_value and key == '""'  # PS3.4 C.2.2.2.7
            if key and not is_empty and attribute.level == query.level:
                yield attribute, key
