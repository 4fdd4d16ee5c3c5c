"""Who has logged in: a browser brings it back by a cookie that nobody else can make.

Nothing is kept here: the cookie names the user and the token, sealed. So each process of the node
knows it, as does the one that comes in its place; it counts for so long as the token does, and no
longer than the node runs.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken

SESSION_SECONDS = 12 * 3600
_MOST_CHARACTERS = 2048


class Sessions:
    """Those by the tokens that are kept, with whose each is; `secret` is the node's."""

    def __init__(self, secret: bytes, tokens: Mapping[str, str]) -> None:
        # One for this alone: what is sealed elsewhere is no session.
        key = hashlib.blake2b(secret, digest_size=32, person=b"session").digest()
        self._fernet = Fernet(urlsafe_b64encode(key))
        self._tokens = tokens

    def begin(self, kept: str) -> str:
        """What the cookie of who gave that token is to hold."""
        held = json.dumps({"name": self._tokens[kept], "token": kept})
        return self._fernet.encrypt(held.encode()).decode()

    def user_of(self, text: str) -> str | None:
        """Whose session it is; None of one that has ended, or that is none."""
        try:
            given = text[:_MOST_CHARACTERS].encode(errors="replace")
            told = self._fernet.decrypt(given, ttl=SESSION_SECONDS)
        except InvalidToken:
            return None
        held = json.loads(told)
        name = self._tokens.get(held["token"])
        return name if name == held["name"] else None


def session_cookie(port: str) -> str:
    """The name of the cookie: browsers tell hosts from each other by it, but not ports."""
    return f"minipacs-session-{port}"
