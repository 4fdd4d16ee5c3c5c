"""Pixel data by the rules: masks, codestreams without text."""

from scp.copies.deidentify.pixels import bulk

__all__ = [
    "bulk",
]
