"""The rules of PS3.4 C.2.2.2 as rows, each read twice: plainly in Python, and as SQL.

A row of RULES says which keys it is for; the first that applies to a key is its rule. `accepts`
takes one folded value and one key; `sql` puts the same on a column of folded values.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import or_
from typing import Any, TypeVar

from peewee import SQL

from storage.dicom.values import LONG_CHARACTERS, WHOLE_TEXT_VRS, Attribute
from storage.query.dialect import ByDialect, begins, equals_any, is_text, joined
from storage.query.folding import (
    FOLDED_VRS,
    RANGE_VRS,
    Letters,
    fold,
    fold_key,
    letters_of,
)
from storage.query.ranges import in_range, in_range_sql
from storage.query.wildcards import fits, fits_letters, fits_sql

# `*` and `?` are wildcards in these alone (PS3.4 C.2.2.2.4).
WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
NAME_GROUPS = ("alphabetic", "ideographic", "phonetic")

# Of one key, of what may be a list though PS3.4 C.2.2.2.2 knows lists of UIDs alone.
MAX_VALUES = 6000
# How long the parts of names are kept that `*name*` is looked up in.
NAME_PART_CHARACTERS = 16
_MAX_FORMS = 16  # a name has five components (PS3.5 6.2.1.1): a key may leave out no more
# More keys than an expression or a statement of SQLite takes go to it as one JSON array.
MAX_ALTERNATIVES = 100
# A kana that is one with a voicing mark behind it, which a wildcard may stand for; and such a mark.
_VOICED = "".join(
    kana for kana in map(chr, range(0x30A1, 0x30FB))
    if any(len(unicodedata.normalize("NFC", kana + mark)) == 1 for mark in "\u3099\u309a")
)  # fmt: skip
_BESIDE_WILDCARD = re.compile(f"[{_VOICED}](?=[*?])|(?<=[*?])[\u3099\u309a]")
_HALF_WIDTH_BESIDE_STAR = re.compile("[\uff66-\uff9d]\\*|\\*[\uff9e\uff9f]")

G = TypeVar("G")


@dataclass(frozen=True)
class Rule:
    """One kind of matching: the keys it is for, what it accepts, and the same in SQL."""

    name: str
    clause: str
    sentence: str
    applies: Callable[[str, str], bool]  # (VR, key)
    accepts: Callable[[str, str, str], bool]  # (VR, folded value, key)
    sql: Callable[[str, Any, str], Any]  # (VR, column, key)
    kinds: tuple[str, ...] = ()  # of PS3.4 C.2.2.2, where it serves others than its name says


def match_columns(attribute: Attribute) -> tuple[str, ...]:
    """The names of the columns that hold an attribute's folded form; its own where that is it.

    A name has a column for each component group, so that a key finds any of them. What may
    hold several values is folded when it is matched.
    """
    if attribute.multiple or attribute.vr not in FOLDED_VRS:
        return (attribute.column,)
    if attribute.vr == "PN":
        return tuple(f"{attribute.column}_{group}" for group in NAME_GROUPS)
    return (f"{attribute.column}_folded",)


def folded(attribute: Attribute, text: str) -> tuple[str, ...]:
    """What the columns of `match_columns` hold for a value of `text`."""
    if attribute.multiple or attribute.vr not in FOLDED_VRS:
        return (text,)
    form = fold(attribute.vr, text)
    if attribute.vr != "PN":
        return (form,)
    groups = [*form.split("="), "", ""]
    return groups[0], groups[1], groups[2]


def has_several(attribute: Attribute, text: str) -> bool:
    """Whether an attribute of one value holds several, against PS3.6."""
    return not attribute.multiple and "\\" in text and attribute.vr not in WHOLE_TEXT_VRS


def matches(vr: str, text: str, key: str, every: bool = False) -> bool:
    """Whether any of the values in `text` matches any of the keys in `key`, or `every`."""
    if is_universal(vr, key):
        return True
    form = fold(vr, text)
    values = [form] if vr in WHOLE_TEXT_VRS else form.split("\\")
    accepts = _name_accepts if vr == "PN" else _accepts
    found = (
        any(accepts(vr, value, single) for value in values)
        or (vr == "PN" and is_by_letters(single) and by_letters(text, single))
        for single in single_keys(vr, key)
    )
    return all(found) if every else any(found)


def by_letters(text: str, key: str) -> bool:
    """Whether a name matches a key in which a wildcard stands for letters as they are written.

    Folded, some letters are two: `Wei?^Anna` is to find `Weiß^Anna`, and so is `Wei??^Anna`. And
    two may be one: a half-width kana and its mark.
    """
    wanted = fold_key("PN", key).split("=")
    return any(
        _groups_accept([*map(letters_of, name.split("="))], wanted, _letters_accept, ())
        for name in text.split("\\")
    )


def _letters_accept(group: Letters, key: str) -> bool:
    return any(fits_letters(form, group) for form in forms_of_group(key))


def is_by_letters(key: str) -> bool:
    """Whether a key's wildcards may stand for other letters than those of the folded name."""
    return "?" in key or bool(_HALF_WIDTH_BESIDE_STAR.search(key))


def is_universal(vr: str, key: str) -> bool:
    """Whether `key` matches every entity, absent values too (PS3.4 C.2.2.2.3)."""
    # Delimiters alone are an empty name: trailing ones do not count (PS3.5 6.2.1.1).
    delimiters = "^= " if vr == "PN" else ""
    values = [key] if vr in WHOLE_TEXT_VRS else key.split("\\")
    parts = [value.strip().strip(delimiters) for value in values]
    return not any(parts) or any(part and not part.strip("*") for part in parts)


def single_keys(vr: str, key: str) -> list[str]:
    """The keys in `key`: several for a list of values (an extension), else itself."""
    if vr in WHOLE_TEXT_VRS or vr == "UI":
        return [key]
    return [part for part in dict.fromkeys(key.split("\\")) if part.strip()]


def rule_for(vr: str, key: str) -> Rule:
    """The rule that `key` asks for."""
    return next(rule for rule in RULES if rule.applies(vr, key))


def _accepts(vr: str, value: str, key: str) -> bool:
    return rule_for(vr, key).accepts(vr, value, key)


def _sql(vr: str, column: Any, key: str) -> Any:
    return rule_for(vr, key).sql(vr, column, key)


# Person names, PS3.4 C.2.2.2.1.1: a key of one component group finds it in any group of the
# value; a key of several is matched group by group.


def _name_accepts(vr: str, value: str, key: str) -> bool:
    return _groups_accept(value.split("="), fold_key(vr, key).split("="), _group_accepts, "")


def _groups_accept(
    groups: list[G], wanted: list[str], accepts: Callable[[G, str], bool], absent: G
) -> bool:
    if len(wanted) == 1:
        return any(accepts(group, wanted[0]) for group in groups[:3])
    groups = groups + [absent] * (len(wanted) - len(groups))
    pairs = zip(groups, wanted[:3], strict=False)
    return all(is_universal("PN", part) or accepts(group, part) for group, part in pairs)


def _group_accepts(group: str, key: str) -> bool:
    return any(_accepts("PN", group, form) for form in forms_of_group(key))


def group_sql(column: Any, key: str) -> Any:
    """The SQL condition for a component group of a folded key, on a column of folded groups."""
    return joined(or_, [_sql("PN", column, form) for form in forms_of_group(key)])


def forms_of_group(key: str) -> list[str]:
    """A component group's key, and without a star behind a caret: trailing carets do not count."""
    forms = [key]
    while forms[-1].endswith("^*") and len(forms) < _MAX_FORMS and len(key) <= LONG_CHARACTERS:
        forms.append(forms[-1][:-2].rstrip("^"))
    return [form for form in forms if form] or [key]


def begins_sql(columns: tuple[Any, ...], key: str) -> Any:
    """What a key begins with, in any of the groups that it may be for: an index serves that."""
    first = kept_by_folding(key).split("=")[0]
    # A mark alone, which `?` stands for, folds to nothing: then what is before it counts no more.
    prefix = re.split(r"[*?]", first, maxsplit=1)[0].rstrip("^ ")
    groups = columns if "=" not in key else columns[:1]
    if not prefix:
        return columns[0] >= ""
    return joined(or_, [begins(one, prefix) for one in groups])


def kept_by_folding(key: str) -> str:
    """A key with a star for all that may be another letter in a folded name that it finds."""
    return _BESIDE_WILDCARD.sub("*", fold_key("PN", key))


def name_sql(columns: tuple[Any, ...], key: str) -> Any:
    """The SQL condition for a name's key, on the columns of its folded component groups."""
    wanted = fold_key("PN", key).split("=")
    if len(wanted) == 1:
        return joined(or_, [group_sql(column, wanted[0]) for column in columns])
    found = columns[0] >= ""
    for column, part in zip(columns, wanted, strict=False):
        if not is_universal("PN", part):
            found = found & group_sql(column, part)
    return found


# Kept however long: it is asked for with every row. An identifier is of some megabytes at most.
@lru_cache(maxsize=4)
def _uids(key: str) -> frozenset[str]:
    return frozenset(uid.strip(" \0") for uid in key.split("\\")) - {""}


def _uids_sql(vr: str, column: Any, key: str) -> Any:
    uids = _uids(key)
    if len(uids) <= MAX_ALTERNATIVES:
        return column.in_(sorted(uids))
    # UIDs are digits and dots; whatever else is in the key is no one's UID.
    plain = [uid for uid in uids if re.fullmatch(r"[0-9.]+", uid)]
    listed = ",".join(f'"{uid}"' for uid in plain)
    return ByDialect(
        column.in_(SQL("(SELECT value FROM json_each(?))", (f"[{listed}]",))),
        lambda: equals_any(column, plain),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "universal",
        "PS3.4 C.2.2.2.3",
        "A key of zero length, or `*` alone, matches every entity, absent values too.",
        applies=is_universal,
        accepts=lambda vr, value, key: True,
        sql=lambda vr, column, key: column >= "",
    ),
    Rule(
        "list of UID",
        "PS3.4 C.2.2.2.2",
        "A UID key matches any of the UIDs in it.",
        applies=lambda vr, key: vr == "UI",
        accepts=lambda vr, value, key: value in _uids(key),
        sql=_uids_sql,
        kinds=("single value", "list of UID"),
    ),
    Rule(
        "range",
        "PS3.4 C.2.2.2.5",
        "A date or time `a-b`, `a-` or `-b` matches what lies within, ends included; one of "
        "less precision stands for its whole span.",
        applies=lambda vr, key: vr in RANGE_VRS,
        accepts=in_range,
        sql=in_range_sql,
        kinds=("single value", "range"),
    ),
    Rule(
        "wildcard",
        "PS3.4 C.2.2.2.4",
        "`*` stands for any characters or none, `?` for any one.",
        applies=lambda vr, key: vr in WILDCARD_VRS and ("*" in key or "?" in key),
        accepts=lambda vr, value, key: fits(fold_key(vr, key), value),
        sql=fits_sql,
    ),
    Rule(
        "single value",
        "PS3.4 C.2.2.2.1",
        "A value matches exactly, but for padding; names without case and accents, numbers "
        "by value.",
        applies=lambda vr, key: True,
        accepts=lambda vr, value, key: value == fold_key(vr, key),
        sql=lambda vr, column, key: is_text(column, fold_key(vr, key)),
    ),
)
