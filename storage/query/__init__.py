"""Identifiers and how they match (PS3.4 C.2.2.2)."""

from storage.query.conditions import condition, fuzzy_condition, kept_columns, kept_forms
from storage.query.dialect import (
    POSTGRESQL,
    SHORT_CHARACTERS,
    SQLITE,
    ByDialect,
    Decided,
    Dialect,
    equals_any,
    joined,
    like_pattern,
    put_together,
)
from storage.query.folding import NUMBER_VRS, RANGE_VRS, fold
from storage.query.fuzzy import sounds_like
from storage.query.identifier import MAX_IDENTIFIER_BYTES, Options, Query, Root, is_key
from storage.query.key_groups import combined_pairs, keys_in_items, one_uid_each
from storage.query.keywords import KeyPath, asked_by_keyword, key_path
from storage.query.ranges import combined_range
from storage.query.rules import (
    MAX_VALUES,
    NAME_PART_CHARACTERS,
    RULES,
    by_letters,
    folded,
    has_several,
    is_universal,
    match_columns,
    matches,
    rule_for,
    single_keys,
)
from storage.query.value_forms import are_alike, form_condition, forms, has_form, is_looked_up
from storage.query.wildcards import fits

__all__ = [
    "MAX_IDENTIFIER_BYTES",
    "MAX_VALUES",
    "NAME_PART_CHARACTERS",
    "NUMBER_VRS",
    "POSTGRESQL",
    "RANGE_VRS",
    "RULES",
    "SHORT_CHARACTERS",
    "SQLITE",
    "ByDialect",
    "Decided",
    "Dialect",
    "KeyPath",
    "Options",
    "Query",
    "Root",
    "are_alike",
    "asked_by_keyword",
    "by_letters",
    "combined_pairs",
    "combined_range",
    "condition",
    "equals_any",
    "fits",
    "fold",
    "folded",
    "form_condition",
    "forms",
    "fuzzy_condition",
    "has_form",
    "has_several",
    "is_key",
    "is_looked_up",
    "is_universal",
    "joined",
    "kept_columns",
    "kept_forms",
    "key_path",
    "keys_in_items",
    "like_pattern",
    "match_columns",
    "matches",
    "one_uid_each",
    "put_together",
    "rule_for",
    "single_keys",
    "sounds_like",
]
