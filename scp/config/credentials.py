"""Passwords and tokens: made, and kept as what does not tell them.

A password is stretched by scrypt (RFC 7914), with the parameters beside it. A token is 256 random
bits, which nobody guesses: a plain digest is enough, and is quick.
"""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata

# 16 MiB and some 150 ms for a guess: one of the pairs of strength that OWASP recommends.
_LOG_N, _R, _P = 14, 8, 5
_SALT_BYTES, _HASH_BYTES = 16, 32
_BASE64 = "[A-Za-z0-9+/]"
PASSWORD_FORM = rf"^\$scrypt\$ln=1[0-7],r=8,p=[1-9]\${_BASE64}{{22}}\${_BASE64}{{43}}$"
TOKEN_FORM = r"^sha256:[0-9a-f]{64}$"
_PARTS = re.compile(r"\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([^$]+)\$([^$]+)")
# By which it is known for what it is, where it lies about.
_MARK = "minipacs_"
# By which a token that is kept is named.
ID_CHARACTERS = 8


def hashed(password: str) -> str:
    """A password as it is kept."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"$scrypt$ln={_LOG_N},r={_R},p={_P}${_text(salt)}${_text(digest)}"


# What a password of nobody is held to: that takes as long as another one.
NOBODYS = "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43


def is_password(password: str, kept: str) -> bool:
    """Whether it is the one that was kept so; takes long by intent."""
    found = _PARTS.fullmatch(kept)
    assert found
    log_n, r, p = int(found[1]), int(found[2]), int(found[3])
    digest = _scrypt(password, _bytes(found[4]), log_n, r, p)
    return hmac.compare_digest(digest, _bytes(found[5])) and kept != NOBODYS


def new_token() -> str:
    """A token that nobody guesses."""
    return _MARK + secrets.token_urlsafe(_HASH_BYTES)


def digest_of_token(token: str) -> str:
    """A token as it is kept."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def id_of_token(kept: str) -> str:
    """What names a token that is kept."""
    return kept.partition(":")[2][:ID_CHARACTERS]


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # A keyboard gives one of several forms of the same letters (RFC 8265).
    given = unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
    n = 1 << log_n
    return hashlib.scrypt(given, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=_HASH_BYTES)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
