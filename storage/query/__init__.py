"""Identifiers and how they match (PS3.4 C.2.2.2)."""

from storage.query.conditions import joined
from storage.query.folding import NUMBER_VRS, RANGE_VRS, fold, in_plain_letters, range_ends
from storage.query.functions import FUNCTIONS
from storage.query.fuzzy import sounds_like
from storage.query.identifier import (
    MAX_IDENTIFIER_BYTES,
    Options,
    Query,
    Root,
    check_lists,
    identifier_of,
    is_key,
    keys_of,
)
from storage.query.key_groups import combined_pairs, keys_in_items, one_uid_each
from storage.query.keywords import KeyPath, asked_by_keyword, key_path
from storage.query.ranges import combined_range, in_combined_range
from storage.query.rules import (
    MAX_VALUES,
    NAME_PART_CHARACTERS,
    RULES,
    condition,
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
    "FUNCTIONS",
    "MAX_IDENTIFIER_BYTES",
    "MAX_VALUES",
    "NAME_PART_CHARACTERS",
    "NUMBER_VRS",
    "RANGE_VRS",
    "RULES",
    "KeyPath",
    "Options",
    "Query",
    "Root",
    "are_alike",
    "asked_by_keyword",
    "check_lists",
    "combined_pairs",
    "combined_range",
    "condition",
    "fits",
    "fold",
    "folded",
    "form_condition",
    "forms",
    "has_form",
    "has_several",
    "identifier_of",
    "in_combined_range",
    "in_plain_letters",
    "is_key",
    "is_looked_up",
    "is_universal",
    "joined",
    "key_path",
    "keys_in_items",
    "keys_of",
    "match_columns",
    "matches",
    "one_uid_each",
    "range_ends",
    "rule_for",
    "single_keys",
    "sounds_like",
]
