"""Who asks: a name under [users], and its rights."""

from dataclasses import dataclass

from scp.config import Right
from scp.web.request.access.errors import ForbiddenError


@dataclass(frozen=True)
class Caller:
    """A user, by the name that log and audit trail tell; it is empty where nobody is asked for."""

    name: str
    rights: frozenset[Right]
    has_session: bool = False  # it has logged in, and can log out

    def may(self, right: Right) -> bool:
        """Whether it has a right."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raise ForbiddenError unless it has a right."""
        if not self.may(right):
            who = f"{self.name} may not" if self.name else "nobody may"
            where = f"[users] {self.name}" if self.name else "[web]"
            words = f"{who} {_VERBS.get(right, right)} here"
            raise ForbiddenError(f'{words}: {where} has no "{right}" in allow')


_VERBS = {Right.PAGE: "see the pages"}
# Before it is known who asks.
NOBODY = Caller("", frozenset())
