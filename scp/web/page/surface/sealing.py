"""Texts that go by a URL, and that nobody reads there: no proxy, no history, no log.

What was searched for names patients. It stands in the URL of the answers encrypted, so that these
can be gone through, gone back to and looked at in several windows; nothing of it is kept here.
"""

import json
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken

# So long a URL answers; then it is asked again.
_SECONDS = 12 * 3600
_MOST_CHARACTERS = 16384


def sealed(secret: bytes, values: dict[str, str]) -> str:
    """The values as a text for a URL; `secret` has 32 bytes."""
    text = json.dumps(values, ensure_ascii=False)
    return _fernet(secret).encrypt(text.encode(errors="surrogatepass")).decode()


def unsealed(secret: bytes, text: str, seconds: int = _SECONDS) -> dict[str, str] | None:
    """What was sealed; None where it is older than that, or was sealed by another."""
    try:
        given = text[:_MOST_CHARACTERS].encode(errors="replace")
        told = _fernet(secret).decrypt(given, ttl=seconds)
    except InvalidToken:
        return None
    return {str(name): str(value) for name, value in json.loads(told).items()}


def _fernet(secret: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(secret))
