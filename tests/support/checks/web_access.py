"""Certificates, users and proxies for who asks a node by HTTP."""

from base64 import b64encode
from functools import cache

from scp.config import credentials

PASSWORD = "correct horse battery"


@cache
def kept(password: str = PASSWORD) -> str:
    """A password as it is kept, made once: it takes long by intent."""
    return credentials.hashed(password)


def basic(name: str, password: str = PASSWORD) -> str:
    """The value of Authorization."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()
