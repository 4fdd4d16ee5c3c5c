"""The command `minipacs`: its commands, one module a subject."""

from scp.cli.app import main

__all__ = [
    "main",
]
