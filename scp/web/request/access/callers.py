"""Who asks: a name under [users], and its rights."""

from dataclasses import dataclass

from scp.config import Right


@dataclass(frozen=True)
class Caller:
    """A user, by the name that log and audit trail tell."""

    name: str
    rights: frozenset[Right]


# Whom nobody asked who it is.
ANYBODY = Caller("", frozenset(Right))
