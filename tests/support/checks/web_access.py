"""Users of a node, and how they prove by HTTP who they are."""

from base64 import b64encode
from functools import cache
from unittest.mock import patch

from scp.config import credentials

PASSWORD = "correct horse battery"


@cache
def kept(password: str = PASSWORD) -> str:
    """A password as it is kept, by less work than in earnest, and always the same."""
    easy = patch.multiple(credentials, _LOG_N=10, _P=1)
    with easy, patch("secrets.token_bytes", lambda count: b"s" * count):
        return credentials.hashed(password)


def basic(name: str, password: str = PASSWORD) -> str:
    """The value of Authorization."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()
