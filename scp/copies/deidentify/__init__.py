"""De-identified copies (PS3.15 annex E)."""

from scp.copies.deidentify.copies import copies_for

__all__ = [
    "copies_for",
]
