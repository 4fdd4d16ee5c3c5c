"""The folded forms of values, one by one: what an index of keys that were added is looked up in.

A condition on them finds every value that matches, and may find more: `matches` has the last word.
"""

from operator import or_
from typing import Any

from storage.dicom.values import WHOLE_TEXT_VRS, split
from storage.query.dialect import joined
from storage.query.folding import NUMBER_VRS, fold, fold_key
from storage.query.rules import (
    NAME_GROUPS,
    begins_sql,
    group_sql,
    is_by_letters,
    is_universal,
    rule_for,
    single_keys,
)

# More keys than an expression of SQLite takes are not looked up.
_MAX_ALTERNATIVES = 100
_NUL = "\0"
# VRs whose values are folded alike.
_ALIKE = (NUMBER_VRS, frozenset({"AE", "CS", "LO", "SH"}))


def forms(vr: str, text: str) -> tuple[str, ...]:
    """What is compared of a value: of each of several, and of each component group of a name.

    Of what is not there it is an empty one.
    """
    values = [fold(vr, text)] if vr in WHOLE_TEXT_VRS else fold(vr, text).split("\\")
    if vr == "PN":
        groups = len(NAME_GROUPS)
        values = [group for value in values for group in value.split("=")[:groups]]
    return tuple(dict.fromkeys(values))


def are_alike(vr: str, other: str) -> bool:
    """Whether the forms of values of two VRs can be compared."""
    return vr == other or any({vr, other} <= alike for alike in _ALIKE)


def has_form(vr: str, key: str) -> bool:
    """Whether there is a condition on forms that serves a key: of moments there is none."""
    if vr == "DT" or _NUL in key or is_universal(vr, key):
        return False
    return len(split(vr, key)) <= _MAX_ALTERNATIVES or vr == "UI"


def form_condition(vr: str, column: Any, key: str) -> Any:
    """The SQL condition that any form in `column` of a value that matches `key` meets."""
    return joined(or_, [_condition(vr, column, single) for single in single_keys(vr, key)])


def is_looked_up(vr: str, key: str) -> bool:
    """Whether that looks forms up by what a key begins with, and does not go through all."""
    singles = (_group_asked(one) if vr == "PN" else one for one in single_keys(vr, key))
    return not any(fold_key(vr, one).startswith(("*", "?")) for one in singles)


def _condition(vr: str, column: Any, key: str) -> Any:
    if vr != "PN":
        return rule_for(vr, key).sql(vr, column, key)
    found = group_sql(column, _group_asked(key))
    return found | begins_sql((column,), key) if is_by_letters(key) else found


def _group_asked(key: str) -> str:
    """The first component group of a name's key that narrows anything."""
    groups = fold_key("PN", key).split("=")[: len(NAME_GROUPS)]
    return next((group for group in groups if not is_universal("PN", group)), groups[0])
