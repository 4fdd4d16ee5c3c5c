"""Instances de-identified: what a receiver gets of them."""

from scp.copies.deidentify.instances.copies import copies_for

__all__ = [
    "copies_for",
]
