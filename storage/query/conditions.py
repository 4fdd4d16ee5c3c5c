"""Keys as SQL conditions on the columns of the index: by the rules of matching, exactly.

SQLite calls these where a condition alone does not tell. PostgreSQL cannot: there columns hold what
they would look at, `kept_columns`, and what is still to be decided in Python is decided on the few
different texts that it may be asked of, before the statement is run (`dialect.Decided`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from operator import and_, or_
from typing import Any

from peewee import SQL, ModelAlias, NodeList, fn

from storage.dicom.values import WHOLE_TEXT_VRS, Attribute, Key, Level
from storage.query.dialect import (
    LAST_CHARACTER,
    ByDialect,
    is_any,
    is_one_accepted,
    joined,
    like_any,
    like_pattern,
)
from storage.query.folding import FOLDED_VRS, fold, fold_key, fold_moment, has_offset, letters_of
from storage.query.fuzzy import asked_words, sound, words_of
from storage.query.ranges import in_range_sql, is_range
from storage.query.rules import (
    MAX_ALTERNATIVES,
    NAME_PART_CHARACTERS,
    begins_sql,
    by_letters,
    forms_of_group,
    has_several,
    is_by_letters,
    is_universal,
    kept_by_folding,
    match_columns,
    matches,
    name_sql,
    rule_for,
    single_keys,
)

_ODD = "1"


def condition(
    attribute: Attribute,
    columns: tuple[Any, ...],
    model: Any,
    key: str,
    every: bool = False,
    level: Level | None = None,
) -> Any:
    """The SQL condition for `key` on `columns` of `model`, or None where everything matches.

    `model` has the rows of `level`, of the attribute's own where none is given.

    An attribute of several values matches where any of them does (PS3.4 C.2.2.2); that is asked
    of `matches`, which SQLite knows as `dicom_matches`. The few rows where an attribute of one
    value holds several are marked, and found by an index of their own.

    With `every`, which has to be negotiated, all values of the key must be there (PS3.4
    C.2.2.2.8).
    """
    vr = attribute.vr
    if is_universal(vr, key):
        return None
    singles = single_keys(vr, key)
    if every and 1 < len(singles) <= MAX_ALTERNATIVES:
        each = joined(
            and_, [condition(attribute, columns, model, one, level=level) for one in singles]
        )
        is_few = len(singles) <= _FEW
        return ByDialect(each, lambda: each if is_few else _every(attribute, model, singles))
    of = attribute.level if level is None else level
    by_value = ByDialect(
        fn.dicom_matches(vr, getattr(model, attribute.column), key, every),
        lambda: (
            _every(attribute, model, singles)
            if every and len(singles) > 1
            else _any_value(attribute, columns, model, singles)
        ),
    )
    # A DT value is folded by its key.
    if attribute.multiple or vr == "DT" or (every and len(singles) > 1):
        return by_value
    many = ByDialect(
        None,
        lambda: _of_one_value(
            attribute, model, _many(attribute, columns, model, singles), by_value
        ),
    )
    if len(singles) > MAX_ALTERNATIVES:
        return ByDialect(by_value, lambda: many)
    parts = [_single(attribute, columns, model, single, of) for single in singles]
    found = _of_one_value(attribute, model, joined(or_, parts), by_value)
    # SQLite's GLOB takes a NUL for the end of a pattern.
    sqlite = by_value if "\0" in key else found
    return ByDialect(sqlite, lambda: found if len(singles) <= _FEW else many)


def _of_one_value(attribute: Attribute, model: Any, found: Any, by_value: Any) -> Any:
    """`found` of rows that hold one value of an attribute which has no more, and of the others."""
    if attribute.key is Key.UNIQUE or attribute.vr in WHOLE_TEXT_VRS:
        return found
    return ((model.several == 0) & found) | ((model.several == 1) & by_value)


def _single(attribute: Attribute, columns: tuple[Any, ...], model: Any, key: str, of: Level) -> Any:
    """The condition for a single key."""
    one = _sql(attribute.vr, columns, key)
    if attribute.vr == "PN" and is_by_letters(key):
        written = ByDialect(
            fn.dicom_by_letters(getattr(model, attribute.column), key),
            lambda: _accepted(attribute, model, lambda text: by_letters(text, key), key),
        )
        one = one | (begins_sql(columns, key) & written)
    return _narrowed_by_part(model, of, key, one) if attribute.inside else one


def _sql(vr: str, columns: tuple[Any, ...], key: str) -> Any:
    return name_sql(columns, key) if vr == "PN" else rule_for(vr, key).sql(vr, columns[0], key)


def _narrowed_by_part(model: Any, level: Level, key: str, found: Any) -> Any:
    """`found`, among the few whose name holds the key's longest stretch between wildcards.

    Only where the key begins with a wildcard: else the index of the name itself serves.
    """
    pattern = kept_by_folding(key)
    if not pattern.startswith(("*", "?")):
        return found
    part = max(re.split(r"[*?=]", pattern), key=len)[:NAME_PART_CHARACTERS]
    if not part:
        return found
    holding = "(SELECT entity FROM name_part WHERE level = ? AND part >= ? AND part < ?)"
    values = int(level), part, part + LAST_CHARACTER
    # Of alternatives PostgreSQL looks only an array up in an index, and else reads the whole table.
    inside, listed = SQL(holding, values), SQL(f"= ANY(ARRAY{holding})", values)
    return ByDialect(model.id.in_(inside), lambda: NodeList((model.id, listed))) & found


def fuzzy_condition(attribute: Attribute, model: Any, key: str) -> Any:
    """The SQL condition that a name sounds like a key (`fuzzy.sounds_like`)."""
    return ByDialect(
        fn.dicom_fuzzy(getattr(model, attribute.column), key),
        lambda: _fuzzy(attribute, model, key),
    )


# ---- PostgreSQL


def kept_columns(attribute: Attribute) -> tuple[str, ...]:
    """The columns that hold what cannot be worked out of an attribute's others in SQL.

    All values, folded; of a moment in UTC and as the time is told; of a name its words and their
    sounds, with spaces around, and whether its letters may be read in several ways.
    """
    if attribute.vr == "DT":
        names: tuple[str, ...] = ("utc", "local")
    elif attribute.vr == "PN":
        names = ("values", "words", "sounds", "letters")
    else:
        names = ("values",) if attribute.multiple and attribute.vr in FOLDED_VRS else ()
    return tuple(f"{attribute.column}_{name}" for name in names)


def kept_forms(attribute: Attribute, text: str) -> tuple[str, ...]:
    """What the columns of `kept_columns` hold for a value of `text`."""
    if attribute.vr == "DT":
        moments = ([fold_moment(one, local) for one in text.split("\\")] for local in (False, True))
        utc, local = ("\\".join(each) if text else "" for each in moments)
        return utc, local
    if attribute.vr == "PN":
        words = words_of(text)
        several = attribute.multiple or has_several(attribute, text)
        return (
            fold("PN", text) if several else "",
            _spaced(words), _spaced(map(sound, words)), _ODD if _is_ambiguous(text) else "",
        )  # fmt: skip
    return (fold(attribute.vr, text),) if kept_columns(attribute) else ()


def _spaced(words: Iterable[str]) -> str:
    found = " ".join(dict.fromkeys(words))
    return f" {found} " if found else ""


def _is_ambiguous(names: str) -> bool:
    """Whether any letter of a name may be one or several, or another than its folded form is."""
    for group in (group for name in names.split("\\") for group in name.split("=")):
        letters = letters_of(group)
        if any(len(forms) > 1 for forms in letters):
            return True
        if "".join(forms[0] for forms in letters) != fold("PN", group):
            return True
    return False


def _every(attribute: Attribute, model: Any, keys: Sequence[str]) -> Any:
    """Whether each of many keys is matched by any of the values that a row holds."""
    vr = attribute.vr
    rules = [rule_for(vr, key).name for key in keys]
    if vr in ("DT", "PN") or not _BY_PATTERN.issuperset(rules):
        return _in_python(attribute, model, lambda text: matches(vr, text, "\\".join(keys), True))
    patterns = [
        like_pattern(fold_key(vr, key), rule == "wildcard")
        for key, rule in zip(keys, rules, strict=True)
    ]
    held = _held(getattr(model, _values_column(attribute)), vr)
    asked = SQL(") FROM unnest(?::text[]) AS asked(pattern))", (patterns,))
    one = _any_of(held, SQL("held.value LIKE asked.pattern"))
    return NodeList((SQL("(SELECT bool_and("), one, asked))


def _in_python(attribute: Attribute, model: Any, accepts: Callable[[str], bool]) -> Any:
    """Whether Python accepts a value, of all that there are."""
    column = getattr(_base(model), attribute.column)
    selected = _base(model).select(column).distinct()
    return is_one_accepted(getattr(model, attribute.column), selected, accepts)


def _accepted(
    attribute: Attribute, model: Any, accepts: Callable[[str], bool], beginning: str = ""
) -> Any:
    """Whether Python accepts a name, of those whose letters may be read in several ways."""
    base = _base(model)
    *_, letters = kept_columns(attribute)
    odd = getattr(base, letters) != _NO_TEXT
    if beginning:
        odd = odd & begins_sql(tuple(getattr(base, c) for c in match_columns(attribute)), beginning)
    selected = base.select(getattr(base, attribute.column)).where(odd).distinct()
    column = getattr(model, attribute.column)
    return (getattr(model, letters) != _NO_TEXT) & is_one_accepted(column, selected, accepts)


def _base(model: Any) -> Any:
    return model.model if isinstance(model, ModelAlias) else model


def _by_letters(attribute: Attribute, model: Any, keys: Sequence[str]) -> Any:
    """Whether letters, as they are written, fit any of the keys that ask for such."""
    asked = [key for key in keys if is_by_letters(key)]
    if not asked:
        return _NEVER
    return _accepted(attribute, model, lambda text: any(by_letters(text, key) for key in asked))


def _many(attribute: Attribute, columns: tuple[Any, ...], model: Any, keys: Sequence[str]) -> Any:
    """The condition that one value fits any of many keys."""
    found = joined(or_, _alternatives(attribute.vr, columns, keys))
    return found | _by_letters(attribute, model, keys) if attribute.vr == "PN" else found


def _any_value(
    attribute: Attribute, columns: tuple[Any, ...], model: Any, keys: Sequence[str]
) -> Any:
    """Whether any of the values that a row holds fits any of the keys."""
    vr = attribute.vr
    if vr == "DT":
        return joined(or_, [_of_moments(attribute, model, key) for key in keys])
    value = SQL("held.value")
    groups: tuple[Any, ...] = (value,)
    if vr == "PN":
        groups = tuple(fn.split_part(value, "=", SQL(str(number))) for number in (1, 2, 3))
    kept = getattr(model, _values_column(attribute))
    found = _any_of(_held(kept, vr), joined(or_, _alternatives(vr, groups, keys)))
    if vr == "PN" and not attribute.multiple:  # of a name that is one nothing is kept there
        one = joined(or_, _alternatives(vr, columns, keys))
        found = ((kept != _NO_TEXT) & found) | ((kept == _NO_TEXT) & one)
    return found | _by_letters(attribute, model, keys) if vr == "PN" else found


def _of_moments(attribute: Attribute, model: Any, key: str) -> Any:
    utc, local = kept_columns(attribute)
    moments = utc if has_offset(key) else local
    column = moments if is_range("DT", key) else attribute.column  # as it is, what is none
    return _any_of(_held(getattr(model, column), "DT"), in_range_sql("DT", SQL("held.value"), key))


def _values_column(attribute: Attribute) -> str:
    """The column of all values, folded."""
    if kept := kept_columns(attribute):
        return kept[0]
    return match_columns(attribute)[0]


def _held(column: Any, vr: str) -> Any:
    """The values that a column holds, of which there is always one."""
    if vr in WHOLE_TEXT_VRS:
        return NodeList((SQL("ARRAY["), column, SQL("]")))
    parts = (SQL("CASE WHEN"), column == "", SQL("THEN ARRAY[''] ELSE string_to_array("), column)
    return NodeList((*parts, SQL(r", '\') END")))


def _any_of(held: Any, found: Any) -> Any:
    """Whether any value meets a condition; EXISTS would be planned as a join, of many for hours."""
    source = NodeList((SQL(") FROM unnest("), held, SQL(") AS held(value))")))
    return NodeList((SQL("(SELECT bool_or("), found, source))


def _alternatives(vr: str, columns: tuple[Any, ...], keys: Sequence[str]) -> Sequence[Any]:
    """The conditions of some keys: each its own, or of many as few as can be."""
    if len(keys) <= _FEW:
        return [_sql(vr, columns, key) for key in keys]
    texts, patterns, others = [], [], []
    for key in keys:
        forms = [key]
        if vr == "PN" and "=" not in (folded := fold_key(vr, key)):
            forms = forms_of_group(folded)
        for form in forms:
            rule = rule_for(vr, form).name
            if ("=" in form and vr == "PN") or rule not in _BY_PATTERN:
                others.append(_sql(vr, columns, form))
            elif rule == "wildcard":
                patterns.append(like_pattern(fold_key(vr, form)))
            else:
                texts.append(fold_key(vr, form))
    if patterns:
        others += [like_any(column, patterns) for column in columns]
    if texts:
        others += [is_any(column, texts) for column in columns]
    return others


# What can be asked of many keys at once.
_BY_PATTERN = frozenset({"wildcard", "single value"})
# Keys of one attribute, up to which each has a condition of its own.
_FEW = 8


_NEVER = SQL("FALSE")
# As the condition of the index has it of these rows.
_NO_TEXT = SQL("''")


def _fuzzy(attribute: Attribute, model: Any, key: str) -> Any:
    _, words, sounds, _ = (getattr(model, name) for name in kept_columns(attribute))
    asked = asked_words(key)
    if not asked:
        return _NEVER
    return joined(and_, [
        like_any(words, [f"% {like_pattern(word, False)}%"])
        | like_any(sounds, [f"% {like_pattern(sound(word), False)} %"])
        for word in asked
    ])  # fmt: skip
