"""Specific Character Sets that a setting may name."""

# PS3.3 C.12.1.1.2: what pydicom reads, but for the empty value and two misspellings. Listed here,
# for to load pydicom takes longer than all else that a configuration needs.
_REGISTERED = ("100", "101", "109", "110", "126", "127", "13", "138", "144", "148", "166", "6")
CHARSETS = frozenset({
    *(f"ISO_IR {number}" for number in (*_REGISTERED, "192")),
    *(f"ISO 2022 IR {number}" for number in (*_REGISTERED, "58", "87", "149", "159")),
    "GB18030", "GBK",
})  # fmt: skip
