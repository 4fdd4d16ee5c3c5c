"""Queries put to the index in SQL: one answer an entity, computed counts, rows as they are read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import and_
from typing import Any

from peewee import OP, SQL, EnclosedNodeList, Expression

from storage.dicom.values import (
    UNIQUE,
    Attribute,
    Key,
    Level,
    row_level,
)
from storage.index.counts import computed, listed_condition
from storage.index.rows import Location
from storage.index.tables import TABLES, Index, columns_of
from storage.query import (
    ByDialect,
    Query,
    combined_pairs,
    combined_range,
    condition,
    fuzzy_condition,
    joined,
    keys_in_items,
    like_pattern,
    one_uid_each,
)

# What LIMIT takes for no limit.
_ALL = (1 << 63) - 1
# More ways to ask for columns than this are not remembered.
_MAX_PREPARED = 256


@dataclass(frozen=True)
class Page:
    """Of what matches `most` behind the first `offset`, by when it was entered: nothing moves."""

    offset: int = 0
    most: int | None = None

    @property
    def end(self) -> int | None:
        """Behind the last, counted from the first of all."""
        return None if self.most is None else self.offset + self.most


def rows(
    index: Index, query: Query, others: Sequence[Any] = (), page: Page | None = None,
    joins: str = "", order: str = "",
) -> Iterator[tuple[int, tuple[str, ...]]]:  # fmt: skip
    """The row id and the values of `query.returned` of each entity that matches, and `others`.

    Rows are read as they are asked for, so that any number of them takes the same memory; without a
    page by `order`, or in any. `joins`: other tables, of which `others` and `order` may speak.
    """
    statement, values = _statement(index, query, others, page, joins)
    for row in index.engine.stream(statement + order, values):
        yield row[0], tuple(["" if value is None else str(value) for value in row[1:]])


def _statement(
    index: Index, query: Query, others: Sequence[Any], page: Page | None, joins: str
) -> tuple[str, tuple[Any, ...]]:
    """What gives these rows, and its values."""
    selected, given = _select(index, query)
    if not (others or page or joins) and (named := one_uid_each(query)):
        # What is asked the most; to build it takes ten times as long.
        where = " AND ".join(f'"{TABLES[a.level]}"."{a.column}" = ?' for a in named)
        return f"{selected} WHERE {where}", (*given, *map(query.text, named))
    conditions = [*_conditions(index, query), *others]
    if page:
        return _paged(index, query, conditions, page)
    return _narrowed(index, conditions, (selected + joins, given))


def _narrowed(index: Index, conditions: "Conditions", selected: tuple[str, Any]) -> tuple[str, Any]:
    """The statement `selected` with conditions, and its values."""
    if not conditions:
        return selected
    context: Any = index.database.get_sql_context()
    where, more = context.sql(joined(and_, conditions)).query()
    return f"{selected[0]} WHERE {where}", (*selected[1], *more)


def _paged(
    index: Index, query: Query, conditions: "Conditions", page: Page
) -> tuple[str, tuple[Any, ...]]:
    """The statement for a page: what is counted of an entity is counted for those on it alone."""
    key = f"{TABLES[query.level]}.id"
    statement, values = _select(index, query)
    numbers, more = _narrowed(index, conditions, _numbers(index, query.level))
    most = _ALL if page.most is None else page.most
    numbers += f" ORDER BY {key} LIMIT ? OFFSET ?"
    found = f"{statement} WHERE {key} IN ({numbers}) ORDER BY {key}"
    return found, (*values, *more, most, page.offset)


def _numbers(index: Index, level: Level) -> tuple[str, tuple[Any, ...]]:
    """The statement for row ids, up to its conditions."""
    if level not in index.prepared:
        statement, values = _joined(index, level, [index[level].id]).sql()
        index.prepared[level] = statement, tuple(values)
    return index.prepared[level]


def _select(index: Index, query: Query) -> tuple[str, tuple[Any, ...]]:
    """The statement up to its conditions, and its values; built once for the same columns."""
    key = query.level, tuple(query.returned)
    if key not in index.prepared:
        if len(index.prepared) >= _MAX_PREPARED:
            index.prepared.clear()
        returned = (_selected(index, a, query.level) for a in query.returned)
        columns = [index[query.level].id, *returned]
        statement, values = _joined(index, query.level, columns).sql()
        index.prepared[key] = statement, tuple(values)
    return index.prepared[key]


Conditions = Sequence[Any]  # of a selection of instances, all of which hold of each


def named(index: Index, query: Query) -> Conditions:
    """What the unique keys of a retrieve ask of an instance."""
    found = (
        _condition(index, index[attribute.level], attribute, query)
        for attribute in [*query.upper, UNIQUE[query.level]]
    )
    return [one for one in found if one is not None]


def having(index: Index, level: Level, uid: str) -> Conditions:
    """What is asked of the instances of what has a unique key, also where it is used twice."""
    return [getattr(index[level], UNIQUE[level].column) == uid]


def by_uid(index: Index, level: Level, uid: str) -> list[Location]:
    """The instances of what has a unique key, also where it is used twice; as they arrived."""
    statement, values = of_instances(index, LOCATION_COLUMNS, having(index, level, uid))
    statement += " ORDER BY instance.arrived, instance.id"
    return [location(row) for row in index.engine.stream(statement, values)]


def of_instances(index: Index, columns: str, conditions: Conditions) -> tuple[str, Any]:
    """A statement for columns of instances, and of what is above them; and its values."""
    return _narrowed(index, conditions, (f"SELECT {columns} FROM {INSTANCES}", ()))


def came_from(sender: str) -> Any:
    """The condition that any instance of a study came from whom, with wildcards."""
    sender = sender.upper()
    return ByDialect(
        SQL(_CAME_FROM.format("GLOB"), (sender.replace("[", "[[]"),)),
        lambda: SQL(_CAME_FROM.format("LIKE"), (like_pattern(sender),)),
    )


_CAME_FROM = (
    "EXISTS (SELECT 1 FROM series JOIN received_sum ON received_sum.series = series.id "
    "WHERE series.parent_id = study.id AND upper(received_sum.sender) {} ?)"
)


# What a location is made of.
LOCATION_COLUMNS = (
    "StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, SOPClassUID, TransferSyntaxUID, "
    "file_bytes, digest, charset, arrived"
)
# By the names that tables have in conditions.
INSTANCES = (
    "instance JOIN series ON instance.parent_id = series.id "
    "JOIN study ON series.parent_id = study.id JOIN patient ON study.parent_id = patient.id"
)


def is_entered(index: Index, sop_instance_uid: str) -> bool:
    """Whether there is a row of an instance, in whatever study. Raises ResourceError."""
    statement = "SELECT 1 FROM instance WHERE SOPInstanceUID = ? LIMIT 1"
    with index.engine.reading():
        return bool(index.engine.execute(statement, (sop_instance_uid,)))


def count(index: Index, query: Query, most: int, others: Conditions = ()) -> int:
    """How many entities match; of more than `most` one more, unless it is 0."""
    conditions = [*_conditions(index, query), *others]
    statement, values = _narrowed(index, conditions, _numbers(index, query.level))
    limit = f" LIMIT {most + 1}" if most else ""
    ((number,),) = index.engine.execute(
        f"SELECT COUNT(*) FROM ({statement}{limit}) AS found", values
    )
    return int(number)


def location(row: Sequence[Any]) -> Location:
    """What a row of the columns of a location says."""
    return Location((row[0], row[1], row[2]), *row[3:])


def _joined(index: Index, level: Level, columns: list[Any]) -> Any:
    selected = index[level].select(*columns)
    for lower in range(level, 0, -1):
        child, parent = index[Level(lower)], index[Level(lower - 1)]
        selected = selected.join_from(child, parent)
    return selected


def _conditions(index: Index, query: Query) -> Iterator[Any]:
    """What the matched keys ask, for the query's level and for those above and below it."""
    below: dict[Level, list[Attribute]] = {}
    for attribute in query.matched:
        if attribute.level > query.level:
            below.setdefault(attribute.level, []).append(attribute)
    here = [a for a in query.matched if a.level <= query.level]
    yield from _all_of(here, query, lambda a: _row_of(index, a, query.level), index)
    yield from _in_items(index, query)
    if below:
        yield _any_below(index, query, below)


def _in_items(index: Index, query: Query) -> Iterator[Any]:
    """What keys in items ask of columns, where these hold what the header that is read does.

    It leaves fewer headers for an item to be matched as a whole.
    """
    every, model = query.options.multiple_values, index[query.level]
    for attribute, key in keys_in_items(query):
        found = condition(attribute, columns_of(model, attribute), model, key, every)
        if found is not None:
            yield found


def _all_of(
    attributes: list[Attribute], query: Query, model_of: Callable[[Attribute], Any], index: Index
) -> Iterator[Any]:
    combined = combined_pairs(attributes, query)
    for attribute in attributes:
        model = model_of(attribute)
        if attribute.keyword in combined:
            time = combined[attribute.keyword]
            if time:  # the pair is asked once, at its date
                yield combined_range(
                    getattr(model, f"{attribute.keyword}_folded"),
                    getattr(model, f"{time.keyword}_folded"),
                    query.text(attribute),
                    query.text(time),
                )
            continue
        found = _condition(index, model, attribute, query)
        if found is not None:
            yield found


def _condition(index: Index, model: Any, attribute: Attribute, query: Query) -> Any:
    key, options = query.text(attribute), query.options
    empty = options.empty_value and key == '""'  # PS3.4 C.2.2.2.7
    if attribute.key is Key.LISTED:
        return listed_condition(index, model, attribute, query, empty)
    if not attribute.stored:
        return None
    if empty:
        return getattr(model, attribute.column) == ""
    every = options.multiple_values
    level = row_level(attribute, query.level)
    found_by_rule = condition(attribute, columns_of(model, attribute), model, key, every, level)
    if found_by_rule is not None and options.fuzzy_names and attribute.vr == "PN":
        return found_by_rule | fuzzy_condition(attribute, model, key)
    return found_by_rule


def _any_below(index: Index, query: Query, below: dict[Level, list[Attribute]]) -> Any:
    """Whether one path of entities below the row matches all keys of the lower levels.

    Of relational queries only (PS3.4 C.4.1.2.2).
    """
    deepest = max(below)
    aliases = {
        level: index.models[level].alias() for level in Level if query.level < level <= deepest
    }
    top = aliases[Level(query.level + 1)]
    selected = aliases[deepest].select(top.parent)
    for level in range(deepest, query.level + 1, -1):
        child, parent = aliases[Level(level)], aliases[Level(level - 1)]
        selected = selected.join_from(child, parent, on=(child.parent == parent.id))
    attributes = [attribute for group in below.values() for attribute in group]
    found = list(_all_of(attributes, query, lambda a: aliases[a.level], index))
    if found:
        selected = selected.where(joined(and_, found))
    return Expression(index[query.level].id, OP.IN, EnclosedNodeList((selected,)))


def _row_of(index: Index, attribute: Attribute, asked: Level) -> Any:
    """The table that answers for an attribute of entities of the level `asked`, or above it."""
    return index[row_level(attribute, asked)]


def _selected(index: Index, attribute: Attribute, asked: Level) -> Any:
    if attribute.stored:
        return getattr(_row_of(index, attribute, asked), attribute.keyword)
    return computed(index, attribute)
