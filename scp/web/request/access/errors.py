"""What is wrong with who asks."""

from collections.abc import Mapping


class AccessError(Exception):
    """It is not answered to who asks; the text says why."""

    headers: Mapping[str, str] = {}  # of the answer


class ForbiddenError(AccessError):
    """It is not to be asked here, or not by this one."""


class UnauthorizedError(AccessError):
    """Nobody has proved who asks."""

    def __init__(self, words: str, challenge: str) -> None:
        super().__init__(words)
        self.headers = {"WWW-Authenticate": challenge}


class TooManyError(AccessError):
    """It was tried too often; the answer says when it may be again."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.headers = {"Retry-After": str(max(1, round(seconds)))}


class BusyError(TooManyError):
    """Others are served first; it may be asked again."""
