"""The command `minipacs`: its commands, one module a subject."""

from scp.cli.entry import main

__all__ = [
    "main",
]
