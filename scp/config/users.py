"""[users]: who may ask over HTTP, and for what."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from scp.config.credentials import PASSWORD_FORM, TOKEN_FORM
from scp.config.table import Table, takes


class Right(StrEnum):
    """What a user may be allowed to do over HTTP."""

    FIND, RETRIEVE, STORE = "find", "retrieve", "store"
    PAGE, SEND, CORRECT, DELETE = "page", "send", "correct", "delete"


# No colon: the name ends there where a password comes with it (RFC 7617).
USER_NAME_RULE = takes(
    "a user name: 1 to 64 letters, digits and . _ @ + -", pattern=r"^[A-Za-z0-9._@+-]{1,64}$"
)
UserName = Annotated[str, USER_NAME_RULE]
_PASSWORD = takes("what `minipacs user add` makes of a password", pattern=PASSWORD_FORM)
_TOKENS = takes("a list of what `minipacs user token` makes", strict=False)
ALLOW_RULE = takes(f"a list of {', '.join(Right)}", strict=False)
# What only looks.
_USUAL = frozenset({Right.FIND, Right.RETRIEVE, Right.PAGE})


class User(Table):
    """Who may ask over HTTP: how that one is known, and what it may do."""

    password: Annotated[str | None, _PASSWORD] = None
    tokens: Annotated[tuple[Annotated[str, Field(pattern=TOKEN_FORM)], ...], _TOKENS] = ()
    allow: Annotated[frozenset[Annotated[Right, Field(strict=False)]], ALLOW_RULE] = _USUAL
