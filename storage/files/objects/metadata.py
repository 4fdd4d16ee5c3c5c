"""What is known of a file beside its header, as texts that travel with an object.

So an archive whose database is lost is made anew from its objects alone.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote

from storage.files import FileFacts

# By the names of HTTP headers behind x-amz-meta-: ASCII, without regard to case.
_FORMAT = "minipacs"
_VERSION = "1"


def texts_of(facts: FileFacts) -> dict[str, str]:
    """The facts as texts by name, all of them ASCII without blanks."""
    return {
        _FORMAT: _VERSION,
        "digest": facts.digest,
        "bytes": str(facts.file_bytes),
        "syntax": facts.transfer_syntax_uid,
        "charset": quote(facts.charset, safe=""),
        "sender": quote(facts.sender, safe=""),
        "arrived": str(facts.arrived),
        "received": str(facts.received),
    }


def facts_from(texts: Mapping[str, str]) -> FileFacts | None:
    """The same from texts; None where they are none of ours, or damaged."""
    told = {name.lower(): text for name, text in texts.items()}
    if told.get(_FORMAT) != _VERSION:
        return None
    try:
        return FileFacts(
            told["syntax"], int(told["bytes"]), told["digest"], unquote(told.get("charset", "")),
            int(told["arrived"]), unquote(told.get("sender", "")), int(told["received"]),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None
