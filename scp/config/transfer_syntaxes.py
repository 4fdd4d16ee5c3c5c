"""Transfer syntaxes as a configuration names them: by UID, or by the keyword of PS3.6."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydicom._uid_dict import UID_dictionary

# PS3.6 A, keyword -> UID.
TRANSFER_SYNTAXES = {
    entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"
}


def _to_syntax(given: object) -> object:
    # By the keyword of PS3.6 too: nobody knows the UIDs by heart.
    return TRANSFER_SYNTAXES.get(given, given) if isinstance(given, str) else given


def _is_syntax(uid: str) -> str:
    if uid not in TRANSFER_SYNTAXES.values():
        raise ValueError("not a transfer syntax of PS3.6")
    return uid


Syntax = Annotated[str, BeforeValidator(_to_syntax), AfterValidator(_is_syntax)]
